//! Who answers bad input, and in which words: the plugin before anything is sent, the webhook, or the API server before the webhook
//! is asked. The answers are written down in `docs/who-answers.md`, which this test compares with what it sees.

use std::fmt::Write as _;

use anyhow::{Context, anyhow, ensure};
use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::{Namespace, fixture, programs, trials};
use serde_json::{Value, json};

use super::objects::{Shop, binding, component_release, created, environment, kind, release, with};
use super::person::{Person, Told};
use super::project::MANIFESTS;

trials! {
admission: every_answer_is_the_documented_one }

/// One kind of bad input.
struct Case {
    input: &'static str,
    /// A line of the plugin and what it reads, where the plugin can be given this.
    plugin: Option<(String, String)>,
    /// The same by API call, where there is one.
    cluster: Option<Call>,
}

enum Call {
    Create(Value),
    Change(Value, Value),
    Delete(Value),
}

impl Call {
    /// Whose affair it is.
    fn person<'a, 'b>(&self, shop: &'b Shop<'a>) -> &'b Person<'a> {
        match self {
            Self::Create(object) if kind(object) == Kind::Environment => &shop.pat,
            _ => &shop.jane,
        }
    }
}

const HEAD: &str = "\
# Who answers bad input

Whatever is wrong is told in one sentence that names the place and the cure: by the plugin before anything is sent, and by the webhook
where the plugin is not used, in the same words. Where the API server answers before it asks the webhook, its words stand. This table
is generated: the cluster test `who_answers` compares it with what it sees, and `UPDATE_DOCS=1 make cluster` writes it anew.

| input | the plugin | who answers in the cluster, and how |
|---|---|---|
";

fn every_answer_is_the_documented_one(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let shop = Shop::open(namespace, "enforce")?;
    created(&shop.jane, &binding("web", "dev", "web-1"));
    // Where an environment lists no namespaces its own has a name that is another in every run.
    let listed = json!({"metadata": {"annotations": {names::NAMESPACES: "{project}-dev"}}});
    shop.pat.merge(&environment("dev", &[]), &listed).map_err(|status| anyhow!("{status:?}"))?;
    created(&shop.pat, &environment("by-hand", &[("namespaces", "{project}-by-hand")]));
    let mut document = HEAD.to_owned();
    for case in releases().into_iter().chain(fenced()).chain(bindings()).chain(manifests()) {
        let plugin =
            case.plugin.as_ref().map_or_else(|| Ok("–".to_owned()), |(line, input)| plugin(&shop.jane, line, input))?;
        let cluster =
            case.cluster.as_ref().map_or_else(|| Ok("–".to_owned()), |call| cluster(call.person(&shop), call))?;
        let row = [case.input, &plugin, &cluster].map(|cell| cell.replace('|', "\\|").replace('\n', "<br>"));
        writeln!(document, "| {} |", row.join(" | "))?;
    }
    compare(&document)
}

fn compare(document: &str) -> anyhow::Result<()> {
    let path = programs::repository().join("docs/who-answers.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return std::fs::write(&path, document).context("writing docs/who-answers.md");
    }
    let documented = std::fs::read_to_string(&path).context("reading docs/who-answers.md")?;
    let differs = document.lines().zip(documented.lines()).find(|(now, then)| now != then);
    ensure!(
        documented == document,
        "docs/who-answers.md is not what is answered; `UPDATE_DOCS=1 make cluster` writes it anew\nnow and documented: {differs:#?}"
    );
    Ok(())
}

/// What the plugin says; it must refuse.
fn plugin(jane: &Person<'_>, line: &str, input: &str) -> anyhow::Result<String> {
    let told = jane.release(line.split(' ')).stdin(input).run();
    ensure!(!told.is_success(), "the plugin takes it\n{told}");
    let said = if told.stdout().is_empty() { told.stderr() } else { told.stdout() };
    let said = said.trim().trim_start_matches("error: ").replace("refused, and nothing was sent: ", "");
    Ok(format!("`{}` ({}): {}", line.split(' ').next().unwrap_or_default(), told.code().unwrap_or(-1), said.trim()))
}

/// What the cluster says; it must refuse, or at least warn.
fn cluster(jane: &Person<'_>, call: &Call) -> anyhow::Result<String> {
    let told: Told = match call {
        Call::Create(object) => jane.in_dry_run().with_parameter("fieldValidation=Strict").create(object),
        Call::Change(object, patch) => jane.in_dry_run().merge(object, patch),
        Call::Delete(object) => jane.in_dry_run().delete(object),
    };
    let Err(status) = told else { return warning(jane, call) };
    let denied = status.message.split_once("denied the request: ");
    let (who, said) = denied.map_or(("API server", status.message.as_str()), |(_, said)| ("webhook", said));
    Ok(format!("{who} ({}): {}", status.code, shortened(said.trim())))
}

/// What is let in with a warning, as kubectl shows it.
fn warning(jane: &Person<'_>, call: &Call) -> anyhow::Result<String> {
    let Call::Create(object) = call else { anyhow::bail!("the cluster takes it") };
    let told = jane.kubectl(["create", "--dry-run=server", "-f", "-"]).stdin(object.to_string()).run();
    let warning =
        told.stderr().lines().find_map(|line| line.strip_prefix("Warning: ")).context("the cluster takes it")?;
    Ok(format!("webhook, as a warning: {warning}"))
}

/// An answer of the API server may quote a whole object.
fn shortened(text: &str) -> String {
    if text.chars().count() <= 400 {
        text.to_owned()
    } else {
        format!("{} …", text.chars().take(400).collect::<String>())
    }
}

fn releases() -> Vec<Case> {
    let case = |input, change: fn(&mut Value)| {
        let bad = with(&release("web-dev"), |release| {
            release["spec"]["environmentName"] = "elsewhere".into();
            change(release);
        });
        Case { input, plugin: Some(("lint -f -".into(), bad.to_string())), cluster: Some(Call::Create(bad)) }
    };
    vec![
        case("a Release without an owner", |r| drop(r["spec"].as_object_mut().map(|spec| spec.remove("owner")))),
        case("a name of 64 characters", |r| r["spec"]["environmentName"] = "a".repeat(64).into()),
        case("two resources with one id", |r| {
            r["spec"]["resources"][1]["id"] = r["spec"]["resources"][0]["id"].clone()
        }),
        case("an id that is no label value", |r| r["spec"]["resources"][1]["id"] = "a/b".into()),
        case("an object that is a string", |r| r["spec"]["resources"][1]["object"] = "text".into()),
        case("an object that is a List", |r| {
            r["spec"]["resources"][1]["object"] =
                json!({"apiVersion": "v1", "kind": "List", "metadata": {"name": "x"}, "items": []})
        }),
        case("an object of one of our own kinds", |r| {
            r["spec"]["resources"][1]["object"] =
                json!({"apiVersion": "openchoreo.dev/v1alpha1", "kind": "Project", "metadata": {"name": "x"}});
        }),
        case("an inline Secret", |r| {
            r["spec"]["resources"][1]["object"] =
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "stringData": {"a": "b"}});
        }),
        case("interval `5 minutes`", |r| r["spec"]["interval"] = "5 minutes".into()),
        case("interval `-1s`", |r| r["spec"]["interval"] = "-1s".into()),
        case("interval `5`, a number", |r| r["spec"]["interval"] = 5.into()),
        case("progressingInterval above interval", |r| {
            r["spec"]["interval"] = "1m".into();
            r["spec"]["progressingInterval"] = "2m".into();
        }),
        case("a field that does not exist, `intervall`", |r| r["spec"]["intervall"] = "5m".into()),
        case("several at once", |r| {
            r["spec"]["owner"] = json!({});
            r["spec"]["interval"] = "5 minutes".into();
        }),
    ]
}

/// What an environment does not let in.
fn fenced() -> Vec<Case> {
    let by_hand = |object: Value| {
        Call::Create(with(&release("web-by-hand"), |release| {
            release["spec"]["environmentName"] = "by-hand".into();
            release["spec"]["resources"][1]["object"] = object;
        }))
    };
    let elsewhere = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, namespace: other}\n";
    let rights = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: web}\n\
                  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}\n";
    let policy = environment("by-hand-2", &[("namespaces", "kube-system"), ("drift", "on")]);
    vec![
        Case {
            input: "an object in a namespace outside of the environment's",
            plugin: Some(("create web -f - --keep-namespace".into(), elsewhere.into())),
            cluster: Some(by_hand(
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "other"}}),
            )),
        },
        Case {
            input: "a ClusterRoleBinding",
            plugin: Some(("create web -f -".into(), rights.into())),
            cluster: Some(by_hand(json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "web"}
            }))),
        },
        Case {
            input: "a policy of an Environment that nobody knows",
            plugin: Some(("lint -f -".into(), policy.to_string())),
            cluster: Some(Call::Create(policy)),
        },
    ]
}

fn bindings() -> Vec<Case> {
    let typed = |line: &str| Some((line.to_owned(), String::new()));
    let stands = binding("web", "dev", "web-1");
    let named =
        |name: &str| with(&binding("web", "staging", "web-1"), |binding| binding["metadata"]["name"] = name.into());
    let change = |patch| Some(Call::Change(stands.clone(), patch));
    vec![
        Case {
            input: "the owner changed after creation",
            plugin: None,
            cluster: change(json!({"spec": {"owner": {"componentName": "api"}}})),
        },
        Case {
            input: "a binding to a release of another component",
            plugin: typed("promote api --to staging --release web-1"),
            cluster: change(json!({"spec": {"releaseName": "api-1"}})),
        },
        Case {
            input: "a binding to a release that does not exist",
            plugin: typed("promote api --to staging --release ghost"),
            cluster: Some(Call::Create(binding("api", "dev", "ghost"))),
        },
        Case { input: "a binding under a wrong name", plugin: None, cluster: Some(Call::Create(named("pin"))) },
        Case {
            input: "an environment that does not exist",
            plugin: typed("promote web --to moon"),
            cluster: Some(Call::Create(with(&binding("web", "moon", "web-1"), |b| {
                drop(b["spec"].as_object_mut().map(|spec| spec.remove("releaseName")))
            }))),
        },
        Case {
            input: "a step that the pipeline does not have",
            plugin: typed("promote web --to production"),
            cluster: Some(Call::Create(binding("web", "production", "web-1"))),
        },
        Case {
            input: "a value that the release does not take",
            plugin: typed("promote web --to staging --config sise=large"),
            cluster: change(json!({"spec": {"componentTypeEnvironmentConfigs": {"sise": "large"}}})),
        },
        Case {
            input: "a value of a wrong type",
            plugin: None,
            cluster: change(json!({"spec": {"componentTypeEnvironmentConfigs": {"size": 5}}})),
        },
        Case {
            input: "a release deleted under its pin",
            plugin: None,
            cluster: Some(Call::Delete(component_release("web", "web-1", "1.0"))),
        },
    ]
}

fn manifests() -> Vec<Case> {
    let cut =
        |input, manifests: String| Case { input, plugin: Some(("create web -f -".into(), manifests)), cluster: None };
    let snapshot = |change: fn(&mut Value)| {
        with(&component_release("web", "web-3", "3.0"), |release| {
            change(&mut release["spec"]["componentType"]["spec"]["resources"][0]["template"]);
        })
    };
    let applied = |input, change: fn(&mut Value)| {
        let release = snapshot(change);
        Case { input, plugin: Some(("lint -f -".into(), release.to_string())), cluster: Some(Call::Create(release)) }
    };
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: token}\nstringData: {token: hush}\n";
    let inline: fn(&mut Value) = |template| {
        *template = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "stringData": {"token": "hush"}
        });
    };
    let text = "x".repeat(4 << 20);
    let large = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: large}}\ndata: {{a: {text}}}\n");
    let larger = snapshot(|template| template["data"]["a"] = "x".repeat(4 << 20).into());
    vec![
        cut("a YAML file with a tab", "metadata:\n\tname: web\n".into()),
        Case {
            input: "a folder without manifests",
            plugin: Some(("create web -f src".into(), String::new())),
            cluster: None,
        },
        cut("no documents", "# nothing\n".into()),
        Case { cluster: Some(Call::Create(larger)), ..cut("a manifest of 4 MiB", large) },
        cut("two documents for the same object", [MANIFESTS, MANIFESTS].join("---\n")),
        Case { cluster: Some(Call::Create(snapshot(inline))), ..cut("an inline Secret in a snapshot", secret.into()) },
        applied("an unknown `${…}` in a snapshot", |template| {
            template["data"]["release"] = "v${releases.latest}".into()
        }),
        applied("an expression in a snapshot", |template| {
            template["data"]["release"] = "${size(parameters.a) > 1}".into();
        }),
        applied("a kind that is a reference", |template| template["kind"] = "${environmentConfigs.size}".into()),
        cut("an argument that matches nothing", String::from(MANIFESTS))
            .with_line("create web -f - --lift n=Deployment/web:/spec/replica"),
    ]
}

impl Case {
    fn with_line(mut self, line: &str) -> Self {
        self.plugin = self.plugin.map(|(_, input)| (line.to_owned(), input));
        self
    }
}
