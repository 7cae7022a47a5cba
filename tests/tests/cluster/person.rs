//! Somebody who writes to the cluster, by API call or by kubectl, and what they are told.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use http::{Method, Request};
use kube::core::Status;
use kube::{Client, Error};
use release_shared::kinds::Kind;
use release_tests::controlplane::client;
use release_tests::{Cli, Namespace, Outcome, block_on, wait};
use serde_json::{Value, json};

use crate::cluster::objects;

/// The object as it is afterwards, or the API server's refusal.
pub(crate) type Told = Result<Value, Box<Status>>;

/// A way to write, and what it is called or the field manager that it has.
pub(crate) type Way = (&'static str, fn(&Person<'_>, &Value));

/// Until the API server knows a role that was just given.
const LIMIT: Duration = Duration::from_secs(60);

/// A user of one namespace.
#[derive(Clone)]
pub(crate) struct Person<'a> {
    namespace: &'a Namespace<'a>,
    kubeconfig: PathBuf,
    client: Client,
    query: Vec<String>,
}

impl<'a> Person<'a> {
    /// A user of this name with one of the roles in `deploy/`, and no other.
    pub(crate) fn with_role(namespace: &'a Namespace<'a>, name: &str, role: &str) -> anyhow::Result<Self> {
        let person = Self::of(namespace, namespace.user(name, &[role])?)?;
        wait::until("a new role is known to the API server", LIMIT, || {
            let releases = person.collection(&objects::release("any"));
            Ok(person.call(Method::GET, &releases, "", &Value::Null).ok().map(drop))
        })?;
        Ok(person)
    }

    /// Whoever a kubeconfig is for.
    pub(crate) fn of(namespace: &'a Namespace<'a>, kubeconfig: PathBuf) -> anyhow::Result<Self> {
        let client = client(&kubeconfig)?;
        Ok(Self { namespace, kubeconfig, client, query: Vec::new() })
    }

    /// The admin, for what is no user's business.
    pub(crate) fn admin(namespace: &'a Namespace<'a>) -> Self {
        let kubeconfig = namespace.control_plane().admin_kubeconfig().to_owned();
        Self { namespace, kubeconfig, client: namespace.client(), query: Vec::new() }
    }

    /// Where they work.
    pub(crate) fn namespace(&self) -> &'a Namespace<'a> {
        self.namespace
    }

    /// The same, with a field manager.
    pub(crate) fn managing_as(&self, manager: &str) -> Self {
        self.with_parameter(&format!("fieldManager={manager}"))
    }

    /// The same, but nothing is persisted.
    pub(crate) fn in_dry_run(&self) -> Self {
        self.with_parameter("dryRun=All")
    }

    /// The same, with a parameter in every request.
    pub(crate) fn with_parameter(&self, parameter: &str) -> Self {
        let mut person = self.clone();
        person.query.push(parameter.to_owned());
        person
    }

    /// `kubectl …` as this user.
    pub(crate) fn kubectl<'b>(&self, args: impl IntoIterator<Item = &'b str>) -> Cli<'a> {
        self.namespace.kubectl(args).user(&self.kubeconfig)
    }

    /// `kubectl-release …` as this user.
    pub(crate) fn release<'b>(&self, args: impl IntoIterator<Item = &'b str>) -> Cli<'a> {
        self.namespace.release(args).user(&self.kubeconfig)
    }

    /// `kubectl …` as this user, with the object as its input; goes on only when that succeeds.
    #[track_caller]
    pub(crate) fn kubectl_on(&self, args: &[&str], object: &Value) -> Outcome {
        self.kubectl(args.iter().copied()).stdin(object.to_string()).run().expect_code(0)
    }

    pub(crate) fn create(&self, object: &Value) -> Told {
        self.call(Method::POST, &self.collection(object), "application/json", object)
    }

    /// PUT: the object as a whole.
    pub(crate) fn replace(&self, object: &Value) -> Told {
        self.call(Method::PUT, &self.place(object), "application/json", object)
    }

    /// Server-side apply. Takes a field manager to be set.
    pub(crate) fn apply(&self, object: &Value) -> Told {
        self.call(Method::PATCH, &self.place(object), "application/apply-patch+yaml", object)
    }

    pub(crate) fn merge(&self, object: &Value, patch: &Value) -> Told {
        self.call(Method::PATCH, &self.place(object), "application/merge-patch+json", patch)
    }

    pub(crate) fn json_patch(&self, object: &Value, patch: &Value) -> Told {
        self.call(Method::PATCH, &self.place(object), "application/json-patch+json", patch)
    }

    pub(crate) fn merge_status(&self, object: &Value, status: &Value) -> Told {
        let path = format!("{}/status", self.place(object));
        self.call(Method::PATCH, &path, "application/merge-patch+json", &json!({ "status": status }))
    }

    /// A merge patch of another subresource than the status.
    pub(crate) fn merge_part(&self, object: &Value, part: &str, patch: &Value) -> Told {
        self.call(Method::PATCH, &format!("{}/{part}", self.place(object)), "application/merge-patch+json", patch)
    }

    /// PUT to the subresource, of the object as a whole.
    pub(crate) fn replace_status(&self, object: &Value) -> Told {
        self.call(Method::PUT, &format!("{}/status", self.place(object)), "application/json", object)
    }

    pub(crate) fn get(&self, object: &Value) -> Told {
        self.call(Method::GET, &self.place(object), "", &Value::Null)
    }

    pub(crate) fn delete(&self, object: &Value) -> Told {
        self.call(Method::DELETE, &self.place(object), "", &Value::Null)
    }

    /// DELETE of all objects of a kind in the namespace, in one request.
    pub(crate) fn delete_all(&self, kind: Kind) -> Told {
        let any = objects::object(kind, "any", Value::Null);
        self.call(Method::DELETE, &self.collection(&any), "", &Value::Null)
    }

    fn place(&self, object: &Value) -> String {
        format!("{}/{}", self.collection(object), objects::name(object))
    }

    /// Where the objects of its kind are: in the namespace that it names, else in the test's own.
    fn collection(&self, object: &Value) -> String {
        let version = object["apiVersion"].as_str().unwrap_or_default();
        let root = if version.contains('/') { "/apis" } else { "/api" };
        let plural = objects::plural(object);
        if objects::is_cluster_scoped(object) {
            return format!("{root}/{version}/{plural}");
        }
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or(self.namespace.name());
        format!("{root}/{version}/namespaces/{namespace}/{plural}")
    }

    fn call(&self, method: Method, path: &str, content_type: &str, body: &Value) -> Told {
        let uri = format!("{path}?{}", self.query.join("&"));
        let mut request = Request::builder().method(method).uri(uri);
        let mut bytes = Vec::new();
        if !content_type.is_empty() {
            request = request.header("Content-Type", content_type);
            bytes = body.to_string().into_bytes();
        }
        let request = request.body(bytes).unwrap_or_else(|error| panic!("{path}: {error}"));
        match block_on(self.client.request(request)) {
            Ok(object) => Ok(object),
            Err(Error::Api(status)) => Err(status),
            Err(error) => panic!("{path}: {error}"),
        }
    }
}

/// The causes of a refusal: field and code.
pub(crate) fn causes(status: &Status) -> Vec<(&str, &str)> {
    let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
    causes.iter().map(|cause| (cause.field.as_str(), cause.reason.as_str())).collect()
}

/// Goes on only when the object may be created (nothing is persisted).
#[track_caller]
pub(crate) fn accepts(person: &Person<'_>, object: &Value) {
    if let Err(status) = person.in_dry_run().create(object) {
        panic!("refused: {status:?}\n{object:#}");
    }
}

/// Goes on only when creating the object is refused for exactly these causes, as the webhook refuses what is wrong.
#[track_caller]
pub(crate) fn rejects(person: &Person<'_>, object: &Value, expected: &[(&str, &str)]) {
    refused(&person.in_dry_run().create(object), 422, expected);
}

/// Goes on only after a refusal by the webhook with this code and exactly these causes.
#[track_caller]
pub(crate) fn refused<'a>(told: &'a Told, code: u16, expected: &[(&str, &str)]) -> &'a Status {
    let reason = match code {
        403 => "Forbidden",
        409 => "Conflict",
        _ => "Invalid",
    };
    let status = refused_by_the_server(told, code, "admission webhook \"");
    assert_eq!((causes(status).as_slice(), status.reason.as_str()), (expected, reason), "{status:?}");
    status
}

/// Goes on only after a refusal with this code whose message contains this.
#[track_caller]
pub(crate) fn refused_by_the_server<'a>(told: &'a Told, code: u16, part: &str) -> &'a Status {
    let Err(status) = told else { panic!("not refused: {told:?}") };
    assert!(status.code == code && status.message.contains(part), "expected {code} and {part:?}: {status:?}");
    status
}

/// Asks until that is accepted and the answer is right: the webhook's caches follow the API server a little behind.
pub(crate) fn until_shown(
    what: &str,
    ask: impl Fn() -> Told,
    is_right: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    let shown = wait::until(what, LIMIT, || Ok(ask().ok().filter(&is_right)));
    shown.with_context(|| format!("told last: {:?}", ask()))
}

/// Asks until that is accepted.
pub(crate) fn until_accepted(what: &str, ask: impl Fn() -> Told) -> anyhow::Result<Value> {
    until_shown(what, ask, |_| true)
}

/// Asks until that is refused with this code and exactly these causes.
pub(crate) fn until_refused(
    what: &str,
    ask: impl Fn() -> Told,
    code: u16,
    expected: &[(&str, &str)],
) -> anyhow::Result<Box<Status>> {
    let is_right = |status: &Status| status.code == code && causes(status) == expected;
    let status = wait::until(what, LIMIT, || Ok(ask().err().filter(|status| is_right(status))));
    status.with_context(|| format!("told last: {:?}", ask()))
}
