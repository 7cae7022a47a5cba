//! An environment whose objects are applied by an account of its own: the cluster's RBAC is the limit.

use anyhow::ensure;
use release_tests::{Namespace, fixture, trials, wait};
use serde_json::{Value, json};

use super::audit;
use super::live::{
    LIMIT, condition, config_map, deployment, direct, inventory, is_absent, namespace as named, said, service,
    snapshot, until_condition, until_gone, until_live, until_ready, with_objects, within,
};
use super::objects::{Shop, binding, created, environment};

trials! {
    an_account_may_what_its_roles_let_it,
    without_the_right_to_act_as_the_account_nothing_is_applied,
    an_account_of_a_foreign_namespace_is_not_used,
    what_an_account_may_not_remove_is_told,
    what_cannot_be_removed_is_left_behind_where_the_environment_says_so,
    an_environment_that_gets_an_account_keeps_what_is_live,
}

/// A namespace with the account `deployer`, who may do everything with ConfigMaps there. Its admin is the cluster's.
struct Ground<'a> {
    shop: Shop<'a>,
    place: String,
    account: String,
}

impl<'a> Ground<'a> {
    fn prepare(namespace: &'a Namespace<'a>) -> anyhow::Result<Self> {
        let shop = Shop::people(namespace)?;
        let place = format!("{}-live", namespace.name());
        created(&shop.admin, &named(&place));
        created(
            &shop.admin,
            &within(
                &place,
                &json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "deployer" } }),
            ),
        );
        let account = format!("system:serviceaccount:{place}:deployer");
        let ground = Self { shop, place, account };
        ground.allow("configmaps", "", "configmaps", &["*"]);
        ground.shop.furnish(
            "warn",
            &[("namespaces", &ground.place), ("service-account", &format!("{}/deployer", ground.place))],
        );
        Ok(ground)
    }

    /// A role of this name for the account.
    fn allow(&self, name: &str, group: &str, resource: &str, verbs: &[&str]) {
        let rule = json!({ "apiGroups": [group], "resources": [resource], "verbs": verbs });
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": name }, "rules": [rule],
        });
        created(&self.shop.admin, &within(&self.place, &role));
        self.bind(
            name,
            "Role",
            name,
            &json!({ "kind": "ServiceAccount", "name": "deployer", "namespace": self.place }),
        );
    }

    /// What a platform does for the controller where it names an account.
    fn let_the_controller_act(&self) {
        let controller =
            json!({ "kind": "ServiceAccount", "name": "release-controller", "namespace": "release-system" });
        self.bind("acts", "ClusterRole", "release-controller-impersonator", &controller);
    }

    fn bind(&self, name: &str, kind: &str, role: &str, subject: &Value) {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role }, "subjects": [subject],
        });
        created(&self.shop.admin, &within(&self.place, &binding));
    }
}

fn an_account_may_what_its_roles_let_it(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let ground = Ground::prepare(namespace)?;
    ground.let_the_controller_act();
    let Ground { shop, place, account } = &ground;
    let web = created(&shop.jane, &direct("web-direct", &[config_map("web", "small"), deployment("web")]));
    let refusal = format!(
        "User \"{account}\" cannot list resource \"deployments\" in API group \"apps\" in the namespace \"{place}\""
    );
    let is_told = |release: &Value| {
        condition(release, "ResourcesApplied")[1] == "ApplyFailed"
            && said(release, "deployment-web")["cause"].as_str().is_some_and(|cause| cause.contains(&refusal))
            && said(release, "configmap-web")["healthStatus"] == "Healthy"
    };
    let told = until_live(&shop.jane, &web, is_told)?;
    assert_eq!(inventory(&told), ["ConfigMap web"]);
    shop.admin.get(&within(place, &config_map("web", ""))).unwrap();
    assert!(is_absent(&shop.admin.get(&within(place, &deployment("web")))));

    // All that was written there was written by the account.
    audit::written(namespace, &[place], "", |all| !all.is_empty())?;
    for write in audit::writes(namespace, &[place], "")? {
        assert_eq!((write.acting_as.as_ref(), write.code / 100), (Some(account), 2), "{write:?}");
    }
    ground.allow("deployments", "apps", "deployments", &["*"]);
    until_ready(&shop.jane, &web)?;
    until_live(&shop.admin, &within(place, &deployment("web")), |live| live["status"]["readyReplicas"] == 1)?;
    Ok(())
}

fn without_the_right_to_act_as_the_account_nothing_is_applied(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let ground = Ground::prepare(namespace)?;
    let Ground { shop, place, account } = &ground;
    let web = created(&shop.jane, &direct("web-direct", &[config_map("web", "small")]));
    let told = until_condition(&shop.jane, &web, "ResourcesApplied", "ApplyFailed")?;
    let cause = said(&told, "configmap-web")["cause"].as_str().unwrap_or_default();
    // Of which of its two rights for that it misses the API server tells now one, now the other.
    let words = "User \"system:serviceaccount:release-system:release-controller\" cannot impersonate";
    ensure!(cause.contains(words), "{cause}");
    assert!(is_absent(&shop.admin.get(&within(place, &config_map("web", "")))), "applied, by {account} or not");
    ground.let_the_controller_act();
    until_ready(&shop.jane, &web)?;
    Ok(())
}

/// Admission cannot know what the namespace of an environment without a list is called.
fn an_account_of_a_foreign_namespace_is_not_used(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::people(namespace)?;
    let account = format!("{}/default", namespace.name());
    shop.furnish("warn", &[("service-account", &account)]);
    let web = created(&shop.jane, &direct("web-direct", &[config_map("web", "small")]));
    let told = until_condition(&shop.jane, &web, "Ready", "ServiceAccountOutside")?;
    assert_eq!(
        condition(&told, "Ready")[2],
        format!(
            "release.openchoreo.dev/service-account names {account}, which is not in a namespace of the Environment"
        )
    );
    assert_eq!(inventory(&told), [""; 0]);
    let none = json!({ "metadata": { "annotations": { "release.openchoreo.dev/service-account": null } } });
    shop.admin.merge(&environment("dev", &[]), &none).unwrap();
    until_ready(&shop.jane, &web)?;
    Ok(())
}

fn what_an_account_may_not_remove_is_told(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let ground = Ground::prepare(namespace)?;
    ground.let_the_controller_act();
    ground.allow("services", "", "services", &["get", "list", "watch", "create", "patch"]);
    let Ground { shop, place, account } = &ground;
    let web = until_ready(
        &shop.jane,
        &created(&shop.jane, &direct("web-direct", &[config_map("web", "small"), service("web")])),
    )?;
    let words = format!("User \"{account}\" cannot delete resource \"services\"");
    let less = shop.jane.replace(&with_objects(&web, &[config_map("web", "small")])).unwrap();
    let told = until_condition(&shop.jane, &less, "ResourcesApplied", "PruneFailed")?;
    ensure!(condition(&told, "ResourcesApplied")[2].contains(&words), "{told:#}");
    assert_eq!(inventory(&told), ["ConfigMap web", "Service web"]);

    shop.jane.delete(&less).unwrap();
    let told = until_condition(&shop.jane, &less, "Finalizing", "CleanupFailed")?;
    let [_, _, message] = condition(&told, "Finalizing");
    ensure!(message.contains(&words), "{message}");
    ensure!(message.contains("annotate this Release with release.openchoreo.dev/orphan-on-delete=true"), "{message}");
    ensure!(is_absent(&shop.admin.get(&within(place, &config_map("web", "")))), "what can go went");
    let orphan = json!({ "metadata": { "annotations": { "release.openchoreo.dev/orphan-on-delete": "true" } } });
    shop.jane.merge(&less, &orphan).unwrap();
    until_gone(&shop.jane, &less)?;
    // By whoever may write Releases, also where a binding has made this one.
    created(&shop.jane, &snapshot("web", "web-3", &[service("other")]));
    let pin = until_ready(&shop.jane, &created(&shop.jane, &binding("web", "dev", "web-3")))?;
    shop.jane.delete(&pin).unwrap();
    let rendered = direct("web-dev", &[]);
    until_condition(&shop.jane, &rendered, "Finalizing", "CleanupFailed")?;
    shop.jane.merge(&rendered, &orphan).unwrap();
    until_gone(&shop.jane, &rendered)?;
    let left = shop.admin.get(&within(place, &service("web"))).unwrap();
    ensure!(left["metadata"]["deletionTimestamp"].is_null(), "{left:#}");
    Ok(())
}

fn what_cannot_be_removed_is_left_behind_where_the_environment_says_so(
    namespace: &Namespace<'_>,
) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let ground = Ground::prepare(namespace)?;
    ground.let_the_controller_act();
    ground.allow("services", "", "services", &["get", "list", "watch", "create", "patch"]);
    let Ground { shop, place, .. } = &ground;
    let orphan = json!({ "metadata": { "annotations": { "release.openchoreo.dev/orphan-on-delete": "true" } } });
    shop.admin.merge(&environment("dev", &[]), &orphan).unwrap();
    let objects = [config_map("web", "small"), service("web")];
    let web = until_ready(&shop.jane, &created(&shop.jane, &direct("web-direct", &objects)))?;
    shop.jane.delete(&web).unwrap();
    until_gone(&shop.jane, &web)?;
    let [gone, left] = objects.map(|object| shop.admin.get(&within(place, &object)));
    ensure!(is_absent(&gone), "what can be removed was left behind: {gone:?}");
    ensure!(left.is_ok_and(|left| left["metadata"]["deletionTimestamp"].is_null()), "the Service is gone");
    let told = wait::until("an event says so", LIMIT, || {
        let select = "--field-selector=reason=Orphaned";
        let events = shop.admin.kubectl(["get", "events", "-o", "jsonpath={.items[*].message}", select]).output()?;
        Ok(Some(events.stdout().to_owned()).filter(|told| !told.is_empty()))
    })?;
    ensure!(told.contains(&format!("Service {place}/web: ")), "{told}");
    Ok(())
}

fn an_environment_that_gets_an_account_keeps_what_is_live(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let ground = Ground::prepare(namespace)?;
    ground.let_the_controller_act();
    let Ground { shop, place, account } = &ground;
    let name = |account: Value| {
        let policy = json!({ "metadata": { "annotations": { "release.openchoreo.dev/service-account": account } } });
        shop.admin.merge(&environment("dev", &[]), &policy).unwrap();
    };
    name(Value::Null);
    let live = within(place, &config_map("web", ""));
    let web = until_ready(&shop.jane, &created(&shop.jane, &direct("web-direct", &[config_map("web", "small")])))?;
    let first = shop.admin.get(&live).unwrap();
    name(format!("{place}/deployer").into());
    let looks = || audit::is_acted_as(namespace, place, account);
    wait::until("the controller looks as the account", LIMIT, || Ok(looks()?.then_some(())))?;

    let next = shop.jane.replace(&with_objects(&web, &[config_map("web", "large")])).unwrap();
    until_ready(&shop.jane, &next)?;
    let second = until_live(&shop.admin, &live, |live| live["data"]["size"] == "large")?;
    assert_eq!(second["metadata"]["uid"], first["metadata"]["uid"], "it was made anew");
    audit::written(namespace, &[place], "", |all| all.len() >= 2)?;
    let by: Vec<_> =
        audit::writes(namespace, &[place], "")?.into_iter().map(|write| (write.to_string(), write.acting_as)).collect();
    let patch = "patch configmaps web".to_owned();
    assert_eq!(by, [(patch.clone(), None), (patch, Some(account.clone()))]);
    // It is watched by the account, too.
    shop.admin.delete(&live).unwrap();
    until_live(&shop.admin, &live, |live| live["metadata"]["uid"] != first["metadata"]["uid"])?;
    Ok(())
}
