//! An Environment that requires a reason: which changes are held to it, which reasons count, and how GitOps lives with it.

use anyhow::ensure;
use release_shared::names;
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::objects::{Shop, annotated, annotation, authors, binding, created, environment, records, release, with};
use super::person::{Person, refused, until_accepted, until_refused};
use super::project::{MANIFESTS, Project};

trials! {
    admission:
    a_change_needs_a_reason_of_its_own,
    a_reason_matches_the_pattern,
    a_reason_in_a_manifest_is_inert_on_later_syncs,
    the_plugin_demands_it_before_it_sends,
}

const AT: &str = "metadata.annotations[release.openchoreo.dev/reason]";
const REQUIRED: [(&str, &str); 1] = [(AT, "ReasonRequired")];

fn policed<'a>(namespace: &'a Namespace<'a>, policy: &str) -> anyhow::Result<Shop<'a>> {
    let shop = Shop::people(namespace)?;
    shop.furnish("warn", &[("require-reason", policy)]);
    let ask = || shop.jane.in_dry_run().create(&binding("web", "dev", "web-1"));
    until_refused("the webhook has seen the policy", ask, 403, &REQUIRED)?;
    Ok(shop)
}

fn said(reason: &str, spec: &Value) -> Value {
    json!({ "metadata": { "annotations": { names::REASON: reason } }, "spec": spec })
}

fn a_change_needs_a_reason_of_its_own(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = policed(namespace, "true")?;
    let jane = &shop.jane;
    let pin = binding("web", "dev", "web-1");
    let told = jane.kubectl(["create", "-f", "-"]).stdin(pin.to_string()).run().expect_code(1);
    assert_eq!(
        told.stderr(),
        "Error from server (Forbidden): error when creating \"STDIN\": admission webhook \"mutate.release.openchoreo.dev\" denied the \
         request: metadata.annotations[release.openchoreo.dev/reason]: every change in dev needs a reason: give it in the same write, \
         with `kubectl release … --reason WHY`, as this annotation in the manifest that is applied, or with `kubectl patch --type=merge \
         -p '{\"metadata\":{\"annotations\":{\"release.openchoreo.dev/reason\":\"WHY\"}},\"spec\":{…}}'`\n"
    );
    jane.kubectl_on(&["create", "-f", "-"], &annotated(&pin, &[(names::REASON, "a first try")]));
    let off = json!({ "state": "Undeploy" });
    let told = jane.merge(&pin, &json!({ "spec": off }));
    let status = refused(&told, 403, &REQUIRED);
    ensure!(status.message.contains("the one that stands there is that of an earlier change"), "{status:?}");
    refused(&jane.merge(&pin, &said("a first try", &off)), 403, &REQUIRED);
    // Said before the change, it is said of nothing: it stands there when the change comes.
    jane.kubectl(["annotate", "--overwrite", "releasebinding/web-dev", &format!("{}=later", names::REASON)])
        .run()
        .expect_code(0);
    refused(&jane.merge(&pin, &json!({ "spec": off })), 403, &REQUIRED);
    // As the message says.
    let patch = r#"{"metadata":{"annotations":{"release.openchoreo.dev/reason":"WHY"}},"spec":{"state":"Undeploy"}}"#;
    jane.kubectl(["patch", "releasebinding", "web-dev", "--type=merge", "-p", patch]).run().expect_code(0);
    let reasons: Vec<_> = records(&jane.get(&pin).unwrap()).into_iter().map(|record| record.reason).collect();
    assert_eq!(reasons, [Some("a first try".to_owned()), Some("WHY".to_owned())]);

    // A label is no change, a Release by hand is one, and other environments ask for nothing. Who deletes has no place for words.
    jane.merge(&pin, &json!({ "metadata": { "labels": { "team": "blue" } } })).unwrap();
    let by_hand = with(&release("by-hand"), |release| release["spec"]["owner"]["componentName"] = "api".into());
    refused(&jane.create(&by_hand), 403, &REQUIRED);
    created(jane, &annotated(&by_hand, &[(names::REASON, "by hand")]));
    created(jane, &binding("web", "staging", "web-1"));
    jane.delete(&pin).unwrap();
    // A permission to go past rules is none to say nothing.
    let silent = annotated(&pin, &[(names::BYPASS, "1")]);
    refused(&shop.admin.create(&silent), 403, &REQUIRED);
    // The policy can be lifted, which counts at once.
    let lifted = json!({ "metadata": { "annotations": { names::REQUIRE_REASON: "false" } } });
    shop.pat.merge(&environment("dev", &[]), &lifted).unwrap();
    created(jane, &pin);
    Ok(())
}

fn a_reason_matches_the_pattern(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = policed(namespace, "^(OPS|INC)-[0-9]+: ")?;
    let pin = |reason: &str| annotated(&binding("web", "dev", "web-1"), &[(names::REASON, reason)]);
    let told = shop.jane.create(&pin("see OPS-12"));
    let status = refused(&told, 403, &[(AT, "ReasonPattern")]);
    ensure!(
        status.message.contains(r#""see OPS-12" does not match "^(OPS|INC)-[0-9]+: ", as every reason must in dev"#),
        "{status:?}"
    );
    let made = created(&shop.jane, &pin("OPS-12: a larger disk"));
    refused(&shop.jane.merge(&made, &said("again", &json!({ "state": "Undeploy" }))), 403, &[(AT, "ReasonPattern")]);
    shop.jane.merge(&made, &said("INC-1: it is on fire", &json!({ "state": "Undeploy" }))).unwrap();
    Ok(())
}

/// A GitOps controller applies the same manifest again and again, reason included.
fn a_reason_in_a_manifest_is_inert_on_later_syncs(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = policed(namespace, "true")?;
    let argo = Person::with_role(namespace, "argo", "release-developer")?.managing_as("argocd-controller");
    let manifest = annotated(&binding("web", "dev", "web-1"), &[(names::REASON, "commit 1a2b3c")]);
    let synced = argo.apply(&manifest).unwrap();
    let again = argo.apply(&manifest).unwrap();
    assert_eq!(again["metadata"]["resourceVersion"], synced["metadata"]["resourceVersion"], "nothing is written");

    // Somebody sets a label, the controller a status: the next sync says the same and is the author of nothing.
    shop.jane.merge(&synced, &json!({ "metadata": { "labels": { "team": "blue" } } })).unwrap();
    shop.admin.merge_status(&synced, &json!({ "health": "Healthy" })).unwrap();
    let again = argo.apply(&manifest).unwrap();
    assert_eq!((records(&again).len(), annotation(&again, names::REASON)), (1, Some("commit 1a2b3c")));

    // Jane adds what the manifest does not have, with a reason elsewhere than in its field: the reason is argo's, and an apply by
    // another meets that.
    let sized = json!({ "componentTypeEnvironmentConfigs": { "size": "large" } });
    refused(&shop.jane.merge(&synced, &json!({ "spec": sized })), 403, &REQUIRED);
    shop.jane.managing_as("kubectl-patch").merge(&synced, &said("more room", &sized)).unwrap();
    // The next sync takes the annotation back to what the manifest says; nothing that is recorded changes, so nothing is said by it.
    let argo_forced = argo.with_parameter("force=true");
    let again = argo_forced.apply(&manifest).unwrap();
    assert_eq!(annotation(&again, names::REASON), Some("commit 1a2b3c"));
    assert_eq!(authors(&again).iter().map(|(by, _)| by.as_str()).collect::<Vec<_>>(), ["argo", "jane"]);
    let still = argo.apply(&manifest).unwrap();
    assert_eq!(
        still["metadata"]["resourceVersion"], again["metadata"]["resourceVersion"],
        "and without force: no conflict"
    );

    // A new commit with the old reason is a change without one; with its own it goes through.
    let next = |reason: &str| {
        let manifest = annotated(&binding("web", "dev", "web-2"), &[(names::REASON, reason)]);
        argo.apply(&manifest)
    };
    refused(&next("commit 1a2b3c"), 403, &REQUIRED);
    let synced = next("commit 4d5e6f").unwrap();
    let last = records(&synced).pop().unwrap();
    assert_eq!((last.by.as_str(), last.reason.as_deref()), ("argo", Some("commit 4d5e6f")));
    Ok(())
}

fn the_plugin_demands_it_before_it_sends(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let policy = json!({ "metadata": { "annotations": { names::REQUIRE_REASON: "^OPS-[0-9]+" } } });
    Person::admin(namespace).merge(&environment("dev", &[]), &policy).unwrap();
    let create = |reason: &str| project.dana(&format!("create web -f - --version v1{reason}")).stdin(MANIFESTS);
    let told = create("").run().expect_code(3);
    told.expect_stderr("nothing was sent: metadata.annotations[release.openchoreo.dev/reason]: every change in dev needs a reason that");
    create(" --reason first").run().expect_code(3).expect_stderr("\"first\" does not match \"^OPS-[0-9]+\"");
    create(" --reason OPS-1").run().expect_code(0);
    project.dana("restart web dev").run().expect_code(3).expect_stderr("--reason WHY");
    // The same words again are said again.
    project.dana("restart web dev --reason OPS-1").run().expect_code(0);
    project.dana("promote web --to staging").run().expect_code(0);
    let pin = binding("web", "dev", "any");
    let person = project.person()?;
    until_accepted("it is there", || person.get(&pin))?;
    assert_eq!(records(&person.get(&pin).unwrap()).len(), 2);
    project.dana("delete web dev").run().expect_code(3);
    project.dana("delete web dev --reason OPS-2").run().expect_code(0);
    Ok(())
}
