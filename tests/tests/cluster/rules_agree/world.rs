//! The rules that look at more than one object, or at who asks: each with something that it refuses and something that comes close,
//! in a small project.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::world::World;
use release_tests::wait;
use serde_json::{Value, json};

use super::super::objects::{
    annotated, binding, component, component_release, created, environment, kind, name, object, owned_release,
    pipeline, project, release, with,
};
use super::super::person::{Person, Told};
use super::answer::{Answer, By, refusal};

/// Until the webhook's caches hold what was just written.
const LIMIT: Duration = Duration::from_secs(20);

/// A write, always in a dry run and as by the plugin.
#[derive(Clone)]
pub(super) enum Call {
    Create(Value),
    Change(Value, Value),
    Delete(Value),
}

/// How a rule answers.
pub(super) enum Expected {
    /// By refusing.
    Refused,
    /// By a warning that says this.
    Warned(&'static str),
}

/// A case with a world.
pub(super) struct Case {
    pub(super) code: &'static str,
    pub(super) expected: Expected,
    pub(super) wrong: Call,
    pub(super) fine: Call,
    /// What the plugin is asked for the same, and must refuse by itself.
    pub(super) line: Option<&'static str>,
}

/// The project, with pipelines in this mode.
pub(super) fn furniture(enforcement: &str) -> Vec<Value> {
    let mut objects: Vec<_> = ["dev", "staging", "production"].iter().map(|name| environment(name, &[])).collect();
    objects.extend(["east", "spare"].map(|name| object(Kind::DataPlane, name, json!({}))));
    objects.push(object(Kind::Environment, "elsewhere", json!({ "dataPlaneRef": { "name": "east" } })));
    objects.push(with(&pipeline("warn", &[]), |pipeline| pipeline["metadata"]["name"] = "spare".into()));
    objects.push(with(&project(), |project| project["metadata"]["name"] = "spare".into()));
    objects.push(environment("by-hand", &[("namespaces", "{project}-by-hand")]));
    objects.push(environment("careful", &[("require-reason", "OPS-[0-9]+")]));
    objects.push(environment("frozen", &[("frozen", "2999-01-01T00:00:00Z; holidays")]));
    objects.push(pipeline(
        enforcement,
        &[("dev", &["staging"]), ("staging", &["production"]), ("careful", &[]), ("frozen", &[])],
    ));
    objects.push(project());
    objects.extend(["web", "api"].map(component));
    let releases = [("web", "web-1", "1.0"), ("web", "web-2", "2.0"), ("api", "api-1", "1.0")];
    objects.extend(releases.map(|(component, name, version)| component_release(component, name, version)));
    objects.push(typed());
    objects
}

/// A release whose values have rules of all sorts.
fn typed() -> Value {
    with(&component_release("web", "web-typed", "3.0"), |release| {
        release["spec"]["componentType"]["spec"]["environmentConfigs"]["openAPIV3Schema"] = json!({
            "type": "object",
            "required": ["must"],
            "properties": {
                "must": { "type": "string" },
                "size": { "type": "string", "default": "small", "enum": ["small", "large"] },
                "count": { "type": "integer", "minimum": 1, "maximum": 5 },
                "short": { "type": "string", "maxLength": 3 },
                "token": { "type": "string", "format": "password" },
                "word": { "type": "string", "pattern": "^[a-z]*$" },
            },
        });
    })
}

/// The pin that stands while the cases are tried.
fn pinned() -> Value {
    with(&binding("web", "dev", "web-typed"), |binding| {
        binding["spec"]["componentTypeEnvironmentConfigs"] = json!({ "must": "be" });
    })
}

/// What the rules know of the furniture.
pub(super) fn known(namespace: &str, objects: &[Value]) -> World {
    let mut world = World::new(namespace);
    objects.iter().for_each(|object| world.put(kind(object), name(object), Some(object)));
    world
}

/// The cases, in a namespace with the furniture in it, whose pipeline is kept.
pub(super) fn cases(pin: &Value) -> Vec<Case> {
    missing()
        .into_iter()
        .chain(references())
        .chain(promotion(pin))
        .chain(values(pin))
        .chain(records(pin))
        .chain(policies())
        .chain(deletions())
        .collect()
}

/// Puts the furniture and the pin in, and gives back the pin as it is stored.
pub(super) fn furnish(admin: &Person<'_>) -> Value {
    furniture("enforce").iter().for_each(|object| drop(created(admin, object)));
    created(admin, &pinned())
}

fn refused(code: &'static str, wrong: Call, fine: Call) -> Case {
    Case { code, expected: Expected::Refused, wrong, fine, line: None }
}

impl Case {
    fn line(self, line: &'static str) -> Self {
        Self { line: Some(line), ..self }
    }
}

fn missing() -> Vec<Case> {
    let warned = |code, part, wrong: Value, fine: Value| Case {
        code,
        expected: Expected::Warned(part),
        wrong: Call::Create(wrong),
        fine: Call::Create(fine),
        line: None,
    };
    let of = |project: &str| with(&component("new"), |c| c["spec"]["owner"]["projectName"] = project.into());
    let unpinned = |component: &str, environment: &str| {
        with(&binding(component, environment, ""), |b| {
            drop(b["spec"].as_object_mut().map(|spec| spec.remove("releaseName")))
        })
    };
    let led_by =
        |pipeline: &str| object(Kind::Project, "new", json!({ "deploymentPipelineRef": { "name": pipeline } }));
    let to = |target: &str| {
        with(&pipeline("warn", &[("dev", &[target])]), |pipeline| pipeline["metadata"]["name"] = "new".into())
    };
    let on = |plane: Value| object(Kind::Environment, "new", plane);
    let frozen = |until: &str| environment("new", &[("frozen", until)]);
    let spoken = |key: &str| annotated(&component("new"), &[(key, "jane")]);
    vec![
        warned("ProjectNotFound", "there is no Project \"ghost\"", of("ghost"), of("shop")),
        warned(
            "ComponentNotFound",
            "there is no Component \"ghost\"",
            unpinned("ghost", "dev"),
            unpinned("api", "dev"),
        ),
        warned("EnvironmentNotFound", "there is no Environment \"moon\"", to("moon"), to("staging"))
            .line("promote web --to moon"),
        warned("PipelineNotFound", "there is no DeploymentPipeline \"ghost\"", led_by("ghost"), led_by("main")),
        warned(
            "DataPlaneNotFound",
            "there is no DataPlane \"ghost\"",
            on(json!({ "dataPlaneRef": { "name": "ghost" } })),
            on(json!({})),
        ),
        warned(
            "ReleaseNotFound",
            "there is no ComponentRelease \"ghost\"",
            binding("api", "dev", "ghost"),
            binding("api", "dev", "api-1"),
        ),
        warned(
            "UnknownAnnotation",
            "says nothing on kind Environment",
            environment("new", &[("freeze", "2999-01-01T00:00:00Z; to come")]),
            frozen("2999-01-01T00:00:00Z; to come"),
        ),
        warned(
            "FreezePast",
            "is in the past",
            frozen("2001-01-01T00:00:00Z; over"),
            frozen("2999-01-01T00:00:00Z; to come"),
        ),
        warned("NotASpeaker", "is not recorded", spoken(names::ON_BEHALF_OF), spoken(names::REASON)),
    ]
}

fn references() -> Vec<Case> {
    let pin = |release: &str| Call::Create(binding("api", "dev", release));
    let known = Call::Create(with(&component_release("web", "web-1", "7.0"), |release| {
        release["metadata"]["name"] = "web-new".into();
    }));
    let cut = |version: &str| {
        Call::Create(with(&component_release("web", "web-new", version), |release| {
            release["spec"]["workload"]["container"]["image"] = "another".into();
        }))
    };
    let by_hand = |object: Value| {
        Call::Create(with(&release("web-by-hand"), |release| {
            release["spec"]["environmentName"] = "by-hand".into();
            release["spec"]["resources"][1]["object"] = object;
        }))
    };
    let in_namespace = |namespace: &str| {
        by_hand(
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web", "namespace": namespace } }),
        )
    };
    let of_kind = |kind: &str, version: &str| {
        by_hand(json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "a" } }))
    };
    vec![
        refused("OtherOwner", pin("web-1"), pin("api-1")).line("promote api --to dev --release web-1"),
        refused("VersionTaken", cut("1.0"), cut("7.0")),
        refused("KnownContent", known, cut("7.0")),
        refused("OutsideNamespace", in_namespace("other"), in_namespace("shop-by-hand")),
        refused(
            "ClusterKind",
            of_kind("ClusterRole", "rbac.authorization.k8s.io/v1"),
            of_kind("Role", "example.org/v1"),
        ),
    ]
}

fn promotion(pin: &Value) -> Vec<Case> {
    let in_environment = |environment: &str| {
        Call::Create(with(&release("api-hand"), |release| {
            release["spec"]["owner"]["componentName"] = "api".into();
            release["spec"]["environmentName"] = environment.into();
        }))
    };
    let of_web = |environment: &str| {
        Call::Create(with(&release("web-hand"), |release| release["spec"]["environmentName"] = environment.into()))
    };
    let of_project = |project: &str| {
        Call::Create(with(&binding("lone", "dev", "lone-1"), |binding| {
            binding["spec"]["owner"]["projectName"] = project.into()
        }))
    };
    let [first, second] =
        ["web-1", "web-typed"].map(|name| Call::Delete(object(Kind::ComponentRelease, name, json!({}))));
    let to = |environment: &str| Call::Create(binding("api", environment, "api-1"));
    vec![
        refused("NotPromoted", to("production"), to("dev")).line("promote web --to production"),
        refused("NoPipeline", of_project("ghost"), of_project("shop")),
        refused("DirectRelease", in_environment("dev"), in_environment("by-hand")),
        refused("BindingExists", of_web("dev"), of_web("by-hand")),
        refused("ReleaseInUse", second, first),
        refused("OwnedRelease", Call::Create(owned_release(pin)), of_web("by-hand")),
    ]
}

fn values(pin: &Value) -> Vec<Case> {
    let set =
        |values: Value| Call::Change(pin.clone(), json!({ "spec": { "componentTypeEnvironmentConfigs": values } }));
    let case = |code, wrong, line| refused(code, set(wrong), set(json!({ "size": "large" }))).line(line);
    vec![
        case("ConfigUnknown", json!({ "sise": "large" }), "configure web dev sise=large"),
        case("ConfigEnum", json!({ "size": "huge" }), "configure web dev size=huge"),
        case("ConfigType", json!({ "count": "many" }), "configure web dev count=many"),
        case("ConfigRange", json!({ "count": 9 }), "configure web dev count=9"),
        case("ConfigFormat", json!({ "word": "A b" }), "configure web dev word=AB"),
        case("ConfigLength", json!({ "short": "long" }), "configure web dev short=long"),
        case("ConfigRequired", json!({ "must": null, "size": "large" }), "configure web dev must- size=large"),
        case("ConfigSecret", json!({ "token": "hush" }), "configure web dev token=hush"),
    ]
}

fn records(pin: &Value) -> Vec<Case> {
    let expecting = |revision: &str| {
        let annotations = json!({ names::EXPECTED_REVISION: revision });
        Call::Change(
            pin.clone(),
            json!({ "metadata": { "annotations": annotations }, "spec": { "state": "Undeploy" } }),
        )
    };
    vec![
        refused("RevisionConflict", expecting("7"), expecting("1")),
        refused("InvalidRevision", expecting("one"), expecting("1")),
    ]
}

fn policies() -> Vec<Case> {
    let in_careful =
        |reason: &str| Call::Create(annotated(&binding("api", "careful", "api-1"), &[(names::REASON, reason)]));
    let silent = Call::Create(binding("api", "careful", "api-1"));
    let in_frozen =
        |annotations: &[(&str, &str)]| Call::Create(annotated(&binding("api", "frozen", "api-1"), annotations));
    vec![
        refused("ReasonRequired", silent, in_careful("for OPS-1")),
        refused("ReasonPattern", in_careful("because"), in_careful("OPS-12")),
        refused("Frozen", in_frozen(&[]), Call::Create(binding("api", "dev", "api-1"))),
        refused(
            "BypassReason",
            in_frozen(&[(names::BYPASS, "1")]),
            in_frozen(&[(names::BYPASS, "1"), (names::REASON, "fire")]),
        ),
    ]
}

fn deletions() -> Vec<Case> {
    let delete = |kind, name| Call::Delete(object(kind, name, json!({})));
    let case = |code, kind, used, spare| refused(code, delete(kind, used), delete(kind, spare));
    vec![
        case("ProjectInUse", Kind::Project, "shop", "spare"),
        case("PipelineInUse", Kind::DeploymentPipeline, "main", "spare"),
        case("EnvironmentInUse", Kind::Environment, "dev", "by-hand"),
        case("DataPlaneInUse", Kind::DataPlane, "east", "spare"),
    ]
}

impl Call {
    fn send(&self, admin: &Person<'_>) -> Told {
        let person = admin.in_dry_run().managing_as(names::PLUGIN_MANAGER);
        match self {
            Self::Create(object) => person.create(object),
            Self::Change(object, patch) => person.merge(object, patch),
            Self::Delete(object) => person.delete(object),
        }
    }

    /// The kind of its object.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Create(object) | Self::Change(object, _) | Self::Delete(object) => kind(object),
        }
    }

    /// The object as it would be; as it is where it is deleted.
    pub(super) fn object(&self) -> Value {
        match self {
            Self::Create(object) | Self::Delete(object) => object.clone(),
            Self::Change(object, patch) => merged(object, patch),
        }
    }

    /// What an API server says.
    pub(super) fn answer(&self, admin: &Person<'_>) -> Answer {
        self.send(admin).err().map(|status| refusal(&status))
    }
}

/// RFC 7396.
fn merged(object: &Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else { return patch.clone() };
    let mut entries = object.as_object().cloned().unwrap_or_default();
    for (key, change) in changes {
        let merged = merged(entries.get(key).unwrap_or(&Value::Null), change);
        match merged.is_null() {
            true => drop(entries.remove(key)),
            false => drop(entries.insert(key.clone(), merged)),
        }
    }
    Value::Object(entries)
}

/// What the webhook says of a case, in a word for the table: it must say it, and let pass what comes close.
pub(super) fn ask(admin: &Person<'_>, case: &Case) -> anyhow::Result<String> {
    wait::until(&format!("what comes close to {} is let in", case.code), LIMIT, || {
        Ok(case.fine.answer(admin).is_none().then_some(()))
    })
    .with_context(|| format!("{:?}", case.fine.answer(admin)))?;
    match case.expected {
        Expected::Refused => {
            let refusal = wait::until(&format!("{} is refused", case.code), LIMIT, || {
                let answer = case.wrong.answer(admin);
                Ok(answer.filter(|refusal| refusal.causes.iter().any(|(_, reason)| reason == case.code)))
            });
            let refusal = refusal.with_context(|| format!("{:?}", case.wrong.answer(admin)))?;
            ensure!(refusal.by == By::Webhook, "{}: {refusal}", case.code);
            Ok(refusal.code.to_string())
        }
        Expected::Warned(part) => {
            let Call::Create(object) = &case.wrong else { bail!("warnings are read of what is created") };
            let warnings = |object: &Value| {
                let told = admin.kubectl(["create", "--dry-run=server", "-f", "-"]).stdin(object.to_string()).run();
                told.stderr().to_owned()
            };
            let told = warnings(object);
            ensure!(told.contains("Warning: ") && told.contains(part), "{}: {told}", case.code);
            if let Call::Create(fine) = &case.fine {
                let told = warnings(fine);
                ensure!(!told.contains(part), "{}: {told}", case.code);
            }
            Ok("warns".to_owned())
        }
    }
}

/// Whether the plugin refuses by itself what it is asked for.
pub(super) fn plugin_refuses(admin: &Person<'_>, case: &Case, line: &str) -> anyhow::Result<()> {
    let told = admin.release(line.split(' ')).run();
    ensure!(
        told.code() == Some(3) && told.stderr().contains("nothing was sent"),
        "{}: `{line}` is not refused before anything is sent\n{told}",
        case.code
    );
    Ok(())
}
