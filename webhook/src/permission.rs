//! Whether somebody may go past a rule: one SubjectAccessReview for each permission, asked while the API server waits for our own answer.

use futures::future::join_all;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use release_shared::names;
use release_shared::validate::{Verdict, Verdicts};
use release_shared::violation::Permission;
use tokio::time::Instant;

use crate::lookups::Lookups;
use crate::review::Request;

/// How many permissions one review may ask for; a write meets a pipeline or two and one environment.
const MOST: usize = 8;

/// Asks for all permissions at once, as the user of the request and not as ourselves. Where nobody can be asked, nothing is permitted.
pub(crate) async fn ask(
    client: &Client,
    lookups: &Lookups,
    deadline: Instant,
    request: &Request<'_>,
    permissions: &[Permission],
) -> Verdicts {
    let reviews = Api::<SubjectAccessReview>::all(client.clone());
    let ask = async |(at, permission): (usize, &Permission)| {
        let (params, question) = (PostParams::default(), question(request, permission));
        let look = lookups.ask(reviews.create(&params, &question));
        let review = if at < MOST { lookups.find(permission, deadline, look).await } else { None };
        let verdict = review.map_or(Verdict::Unknown, |review| {
            let is_allowed = review.status.is_some_and(|status| status.allowed);
            if is_allowed { Verdict::Permitted } else { Verdict::Refused }
        });
        (permission.clone(), verdict)
    };
    join_all(permissions.iter().enumerate().map(ask)).await.into_iter().collect()
}

fn question(request: &Request<'_>, permission: &Permission) -> SubjectAccessReview {
    let user = request.subject();
    let attributes = ResourceAttributes {
        namespace: Some(request.namespace().to_owned()),
        verb: Some(names::BYPASS_VERB.to_owned()),
        group: Some(names::GROUP.to_owned()),
        resource: Some(permission.resource.to_owned()),
        name: Some(permission.name.clone()),
        ..ResourceAttributes::default()
    };
    let spec = SubjectAccessReviewSpec {
        resource_attributes: Some(attributes),
        user: Some(request.user().to_owned()),
        uid: user.uid,
        groups: Some(user.groups),
        extra: Some(user.extra),
        ..SubjectAccessReviewSpec::default()
    };
    SubjectAccessReview { spec, ..SubjectAccessReview::default() }
}

#[cfg(test)]
mod tests {
    use release_shared::kinds::Kind;
    use serde_json::json;

    use super::*;
    use crate::review::decode;

    #[test]
    fn the_question_is_about_the_real_user() {
        let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "11", "kind": {"group": "openchoreo.dev", "version": "v1alpha1", "kind": "ReleaseBinding"},
            "name": "web-dev", "namespace": "acme", "operation": "CREATE", "object": {}, "oldObject": null,
            "userInfo": {"username": "jane", "uid": "7", "groups": ["a", "system:authenticated"], "extra": {"scopes": ["x", "y"]}}
        }});
        let body = body.to_string();
        let request = decode(body.as_bytes()).unwrap();
        let question = question(&request, &Permission::on(Kind::Environment, "production"));
        insta::assert_json_snapshot!(question);
    }
}
