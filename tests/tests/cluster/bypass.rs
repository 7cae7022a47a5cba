//! Going past a rule: by whom, what it takes, and what is left of it.

use anyhow::ensure;
use release_shared::names;
use release_tests::{Namespace, fixture, trials, wait};
use serde_json::{Value, json};

use std::time::Duration;

use super::audit;
use super::frozen::{FREEZE, freeze};
use super::objects::{Shop, annotated, binding, component, created, owned_release, pipeline, records, release, with};
use super::person::{Person, refused, until_refused, until_shown};
use super::project::{MANIFESTS, Project};

trials! {
    admission:
    a_freeze_is_gone_past_with_permission_and_reason,
    a_number_of_another_write_says_nothing,
    what_is_frozen_is_deleted_by_who_may,
    the_real_user_is_asked_about,
    a_pipeline_is_gone_past,
    the_plugin_goes_past_a_freeze,
}

const LIMIT: Duration = Duration::from_secs(30);
const FROZEN: (&str, &str) = ("spec.environment", "Frozen");

fn bypass(revision: &str, reason: &str, spec: &Value) -> Value {
    json!({ "metadata": { "annotations": { names::BYPASS: revision, names::REASON: reason } }, "spec": spec })
}

/// Gives the right to go past the rules of an object to a user or a group.
fn permit(admin: &Person<'_>, resource: &str, name: &str, subject: &Value) {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": format!("bypass-{resource}-{name}") },
        "rules": [{ "apiGroups": [names::GROUP], "resources": [resource], "resourceNames": [name], "verbs": ["bypass"] }],
    });
    let bound = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": role["metadata"],
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role["metadata"]["name"] },
        "subjects": [subject],
    });
    admin.create(&role).unwrap();
    admin.create(&bound).unwrap();
}

fn user(name: &str) -> Value {
    json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name })
}

/// `dev` is frozen with a pin of `web` in it, and `rosa` may go past that.
fn closed<'a>(namespace: &'a Namespace<'a>) -> anyhow::Result<(Shop<'a>, Person<'a>, Value)> {
    let shop = Shop::open(namespace, "warn")?;
    let rosa = Person::with_role(namespace, "rosa", "release-developer")?;
    permit(&shop.admin, "environments", "dev", &user("rosa"));
    let pin = created(&shop.jane, &binding("web", "dev", "web-1"));
    freeze(&shop.pat, "dev", Some(FREEZE));
    let ask = || shop.jane.in_dry_run().merge(&pin, &json!({ "spec": { "state": "Undeploy" } }));
    until_refused("the webhook has seen the freeze", ask, 403, &[FROZEN])?;
    let ask = || rosa.in_dry_run().merge(&pin, &bypass("2", "fire", &json!({ "state": "Undeploy" })));
    until_shown("the role is known", ask, |_| true)?;
    Ok((shop, rosa, pin))
}

fn a_freeze_is_gone_past_with_permission_and_reason(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let (shop, rosa, pin) = closed(namespace)?;
    let off = json!({ "state": "Undeploy" });
    let told = shop.jane.merge(&pin, &bypass("2", "fire", &off));
    let status = refused(&told, 403, &[FROZEN]);
    ensure!(
        status
            .message
            .contains("you ask to go past this, and lack the right to bypass on environments/dev in this namespace"),
        "{status:?}"
    );
    let no_reason = ("metadata.annotations[release.openchoreo.dev/bypass]", "BypassReason");
    refused(&rosa.merge(&pin, &bypass("2", "", &off)), 403, &[FROZEN, no_reason]);
    refused(&rosa.merge(&pin, &json!({ "spec": off })), 403, &[FROZEN]);
    // A fault of the object is nobody's to permit.
    refused(
        &rosa.merge(&pin, &bypass("2", "fire", &json!({ "state": "Gone" }))),
        422,
        &[("spec.state", "UnknownState")],
    );

    let manifest = annotated(
        &with(&binding("web", "dev", "web-1"), |pin| pin["spec"]["state"] = "Undeploy".into()),
        &[(names::BYPASS, "2"), (names::REASON, "INC-9: it sends the wrong mails")],
    );
    let told = rosa.kubectl_on(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &manifest);
    assert_eq!(
        told.stderr(),
        "Warning: spec.environment: gone past, with the permission to bypass on environments/dev: dev is frozen until \
         2126-01-01T00:00:00Z (inventory): wait until then, or have the platform team thaw it\n"
    );
    let stored = shop.jane.get(&pin).unwrap();
    let last = records(&stored).pop().unwrap();
    assert_eq!((last.by.as_str(), last.bypass), ("rosa", Some(true)));
    assert_eq!(last.reason.as_deref(), Some("INC-9: it sends the wrong mails"));
    // The same manifest again changes nothing, and nothing is asked.
    rosa.kubectl_on(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &manifest);
    assert_eq!(records(&shop.jane.get(&pin).unwrap()).len(), 2);
    let noted = || audit::annotations(namespace, "validate.release.openchoreo.dev/bypass");
    wait::until("the audit log has it", LIMIT, || {
        Ok(noted()?.last().filter(|(by, _, codes)| by == "rosa" && codes == "Frozen").map(drop))
    })?;
    Ok(())
}

fn a_number_of_another_write_says_nothing(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let (shop, rosa, pin) = closed(namespace)?;
    for number in ["1", "3", "02", "true", ""] {
        refused(&rosa.merge(&pin, &bypass(number, "fire", &json!({ "state": "Undeploy" }))), 403, &[FROZEN]);
    }
    // Put there before, it speaks of a write that made no revision; and nobody else speaks with it.
    rosa.merge(&pin, &json!({ "metadata": { "annotations": { names::BYPASS: "2" } } })).unwrap();
    refused(&rosa.merge(&pin, &bypass("2", "fire", &json!({ "state": "Undeploy" }))), 403, &[FROZEN]);
    // Where nothing is in the way, nothing is gone past.
    freeze(&shop.pat, "dev", None);
    let thawed = || rosa.merge(&pin, &json!({ "metadata": { "annotations": { names::BYPASS: null } } }));
    thawed().unwrap();
    let changed = rosa.merge(&pin, &bypass("2", "fire", &json!({ "state": "Undeploy" }))).unwrap();
    assert_eq!(records(&changed)[1].bypass, None);
    Ok(())
}

fn what_is_frozen_is_deleted_by_who_may(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let (shop, rosa, pin) = closed(namespace)?;
    refused(&shop.jane.delete(&pin), 403, &[FROZEN]);
    let told = rosa.kubectl(["delete", "releasebinding", "web-dev"]).run().expect_code(0);
    told.expect_stderr(
        "Warning: spec.environment: gone past, with the permission to bypass on environments/dev: dev is frozen",
    );
    ensure!(shop.jane.get(&pin).is_err_and(|status| status.code == 404));
    let noted = || audit::annotations(namespace, "delete.release.openchoreo.dev/bypass");
    wait::until("the audit log has it", LIMIT, || {
        Ok(noted()?.last().filter(|(by, _, codes)| by == "rosa" && codes == "Frozen").map(drop))
    })?;
    Ok(())
}

/// By group, by name of the environment, and under the name that somebody acts as.
fn the_real_user_is_asked_about(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let (shop, rosa, pin) = closed(namespace)?;
    let off = json!({ "state": "Undeploy" });
    // Her right is on dev only.
    let staging = created(&shop.jane, &binding("web", "staging", "web-1"));
    freeze(&shop.pat, "staging", Some(FREEZE));
    let ask = || rosa.in_dry_run().merge(&staging, &bypass("2", "fire", &off));
    until_refused("the webhook has seen the freeze", ask, 403, &[FROZEN])?;

    namespace.user("gina", &["release-developer"])?;
    let gina = Person::of(namespace, namespace.control_plane().user("gina", &["firefighters"])?)?;
    refused(&gina.in_dry_run().merge(&staging, &bypass("2", "fire", &off)), 403, &[FROZEN]);
    let group = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "firefighters" });
    permit(&shop.admin, "environments", "staging", &group);
    let ask = || gina.merge(&staging, &bypass("2", "fire", &off));
    let changed = until_shown("the role is known", ask, |_| true)?;
    assert_eq!((records(&changed)[1].by.as_str(), records(&changed)[1].bypass), ("gina", Some(true)));

    let patch = bypass("2", "fire", &off).to_string();
    let patched = |user: &str, code: i32| {
        let args = ["patch", "releasebinding", "web-dev", "--type=merge", "-p", &patch, "--as", user];
        shop.admin.kubectl(args).run().expect_code(code)
    };
    patched("jane", 1).expect_stderr("lack the right to bypass on environments/dev");
    patched("rosa", 0);
    assert_eq!(records(&shop.jane.get(&pin).unwrap())[1].by, "rosa");
    Ok(())
}

fn a_pipeline_is_gone_past(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "enforce")?;
    let not_promoted = [("spec.releaseName", "NotPromoted")];
    let production = binding("web", "production", "web-1");
    let ask = || shop.jane.in_dry_run().create(&production);
    until_refused("the webhook has seen the pipeline", ask, 403, &not_promoted)?;
    let asking = |object: &Value| annotated(object, &[(names::BYPASS, "1"), (names::REASON, "fire")]);
    let told = shop.jane.create(&asking(&production));
    let status = refused(&told, 403, &not_promoted);
    ensure!(status.message.contains("lack the right to bypass on deploymentpipelines/main"), "{status:?}");
    permit(&shop.admin, "deploymentpipelines", "main", &user("jane"));
    let pinned = until_shown("the role is known", || shop.jane.create(&asking(&production)), |_| true)?;
    assert_eq!(records(&pinned)[0].bypass, Some(true));

    let by_hand = with(&release("by-hand"), |release| release["spec"]["owner"]["componentName"] = "api".into());
    refused(&shop.jane.create(&by_hand), 403, &[("spec.environmentName", "DirectRelease")]);
    let direct = created(&shop.jane, &asking(&by_hand));
    assert_eq!(records(&direct)[0].bypass, Some(true));
    // Nobody goes past what makes a Release the controller's.
    refused(&shop.jane.create(&asking(&owned_release(&pinned))), 403, &[("metadata.ownerReferences", "OwnedRelease")]);

    // A project without a pipeline, in an environment of one that is kept.
    created(
        &shop.jane,
        &with(&component("stray"), |component| component["spec"]["owner"]["projectName"] = "other".into()),
    );
    let stray = with(&binding("stray", "production", "web-1"), |pin| {
        pin["spec"]["owner"]["projectName"] = "other".into();
        pin["spec"].as_object_mut().unwrap().remove("releaseName");
        pin["spec"]["releaseName"] = "stray-1".into();
    });
    refused(&shop.omar.create(&stray), 403, &[("spec.owner.projectName", "NoPipeline")]);
    refused(&shop.omar.create(&asking(&stray)), 403, &[("spec.owner.projectName", "NoPipeline")]);
    created(&shop.jane, &asking(&stray));
    let main = shop.jane.get(&pipeline("enforce", &[])).unwrap();
    assert_eq!(records(&main)[0].bypass, None);
    Ok(())
}

fn the_plugin_goes_past_a_freeze(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let admin = Person::admin(namespace);
    project.release();
    let manifests = MANIFESTS.replace("web:1", "web:2");
    project.dana("create web -f - --version v2").stdin(manifests).run().expect_code(0);
    freeze(&admin, "dev", Some(FREEZE));
    let back = "rollback web dev --to-revision 1";
    project.dana(back).run().expect_code(3).expect_stderr("nothing was sent");
    project.dana(&format!("{back} --bypass")).run().expect_code(1).expect_stderr("--reason");
    let told = project.dana(&format!("{back} --bypass --reason=")).run().expect_code(3);
    told.expect_stderr("nothing was sent").expect_stderr("going past a rule needs a reason");
    let told = project.dana(&format!("{back} --bypass --reason fire")).run().expect_code(3);
    told.expect_stderr("refused by the cluster: spec.environment: dev is frozen")
        .expect_stderr("lack the right to bypass on environments/dev in this namespace");
    let told = project.dana(&format!("{back} --bypass --reason fire --dry-run")).run().expect_code(0);
    told.expect_stderr("Warning: spec.environment: gone past, with the permission to bypass on environments/dev");
    project.petra("init more --environments dev --bypass --reason fire").run().expect_code(1).expect_stderr("--bypass");

    namespace.user("dana@acme.example", &["release-bypass"])?;
    let dry = format!("{back} --bypass --reason fire --dry-run=server");
    wait::until("the role is known", LIMIT, || Ok((project.dana(&dry).output()?.code() == Some(0)).then_some(())))?;
    let told = project.dana(&format!("{back} --bypass --reason fire")).run().expect_code(0);
    told.expect_stderr(
        "Warning: spec.environment: gone past, with the permission to bypass on environments/dev: dev is frozen",
    )
    .expect_stdout("dev has it as revision 3, by dana@acme.example");
    project.dana("configure web dev replicas=3").run().expect_code(3);
    project.dana("history web dev").run().expect_code(0).expect_stdout("rollback (bypass)");
    let newest: Value = project.dana("history web dev --limit 1 -o json").run().expect_code(0).json();
    assert_eq!((&newest["items"][0]["bypass"], &newest["items"][0]["reason"]), (&json!(true), &json!("fire")));
    project.dana("history web dev --verify").run().expect_code(0);

    project.dana("delete web dev").run().expect_code(3);
    let told = project.dana("delete web dev --bypass --reason fire").run().expect_code(0);
    told.expect_stdout("its last record was revision 4, by dana@acme.example");
    Ok(())
}
