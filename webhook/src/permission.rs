//! Whether somebody may go past a rule: one SubjectAccessReview for each permission, asked while the API server waits for our own answer.

use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use release_shared::names;
use release_shared::validate::{Verdict, Verdicts};
use release_shared::violation::Permission;

use crate::lookups::Lookups;
use crate::review::Request;

/// How long the API server may take.
const LIMIT: Duration = Duration::from_secs(1);
/// How many permissions one review may ask for; a write meets a pipeline or two and one environment.
const MOST: usize = 8;

/// Asks for all permissions at once, as the user of the request and not as ourselves. Where nobody can be asked, nothing is permitted.
pub(crate) async fn ask(
    client: &Client,
    lookups: &Lookups,
    request: &Request<'_>,
    permissions: &[Permission],
) -> Verdicts {
    let (asked, too_many) = permissions.split_at(permissions.len().min(MOST));
    let ask = |permission| lookups.ask(ask_one(client, request, permission));
    let verdicts = join_all(asked.iter().map(ask)).await;
    let unknown = too_many.iter().map(|permission| (permission.clone(), Verdict::Unknown));
    asked.iter().cloned().zip(verdicts).chain(unknown).collect()
}

async fn ask_one(client: &Client, request: &Request<'_>, permission: &Permission) -> Verdict {
    let reviews = Api::<SubjectAccessReview>::all(client.clone());
    let question = question(request, permission);
    let params = PostParams::default();
    match tokio::time::timeout(LIMIT, reviews.create(&params, &question)).await {
        Ok(Ok(review)) if review.status.as_ref().is_some_and(|status| status.allowed) => Verdict::Permitted,
        Ok(Ok(_)) => Verdict::Refused,
        Ok(Err(error)) => {
            tracing::warn!(%permission, error = %error, "a permission could not be asked for; it is not given");
            Verdict::Unknown
        }
        Err(_) => {
            tracing::warn!(%permission, "the API server did not answer in time whether a permission is given; it is not");
            Verdict::Unknown
        }
    }
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
