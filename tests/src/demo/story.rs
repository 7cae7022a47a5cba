//! What happens.

use super::Person::{Admin, Dana, Omar, Petra};
use super::{Person, Step};

/// The story: a shop goes from manifests to staging, and everybody who tries to take a short cut is told so by the cluster.
pub fn story() -> Vec<Step> {
    [
        stage(),
        project(),
        release(),
        straight_to_production(),
        staging(),
        enforcement(),
        faults(),
        by_hand(),
        race(),
        record(),
    ]
    .concat()
}

fn step(who: Person, title: &'static str, types: &'static str, ends: i32, shows: &'static [&'static str]) -> Step {
    Step { title, who, types, ends, shows }
}

fn stage() -> Vec<Step> {
    vec![
        step(
            Admin,
            "The administrator gives three people their roles, and is not needed after that",
            "kubectl create namespace acme",
            0,
            &["namespace/acme created"],
        ),
        step(
            Admin,
            "",
            "kubectl create rolebinding petra -n acme --clusterrole=release-platform-engineer --user=petra@acme.example",
            0,
            &["created"],
        ),
        step(
            Admin,
            "",
            "kubectl create rolebinding developers -n acme --clusterrole=release-developer --user=dana@acme.example --user=omar@acme.example",
            0,
            &["created"],
        ),
    ]
}

fn project() -> Vec<Step> {
    vec![
        step(
            Dana,
            "A developer may not say where releases go",
            "kubectl release init shop --environments development,staging,production --production production",
            3,
            &["refused by the cluster (Forbidden)", "cannot patch resource \"environments\""],
        ),
        step(
            Petra,
            "The platform's engineer may",
            "kubectl release init shop --environments development,staging,production --production production \\\n    --reason \"the shop moves to the new cluster\"",
            0,
            &["project.openchoreo.dev/shop created", "project shop goes through development → staging → production"],
        ),
    ]
}

fn release() -> Vec<Step> {
    vec![
        step(
            Dana,
            "A release is cut from plain manifests and pinned where releases enter; replicas may differ per environment",
            "kubectl release create shop -f examples/shop --version v1.4.0 \\\n    --lift replicas=Deployment/shop:/spec/replicas --reason \"gift cards\"",
            0,
            &[
                "component.openchoreo.dev/shop created",
                "releasebinding.openchoreo.dev/shop-development created",
                "is pinned in development as revision 1, by dana@acme.example",
            ],
        ),
        step(
            Dana,
            "The same again changes nothing, and says so",
            "kubectl release create shop -f examples/shop --version v1.4.0 \\\n    --lift replicas=Deployment/shop:/spec/replicas --reason \"gift cards\"",
            0,
            &[
                "releasebinding.openchoreo.dev/shop-development unchanged",
                "nothing changes: development runs shop v1.4.0",
            ],
        ),
    ]
}

fn straight_to_production() -> Vec<Step> {
    vec![
        step(
            Dana,
            "Straight to production: the plugin knows no such step",
            "kubectl release promote shop --to production",
            3,
            &["nothing can go to production yet: production is promoted to from staging"],
        ),
        step(
            Dana,
            "… and neither does the cluster, whatever client asks. The pipeline warns for now",
            "kubectl get releasebinding shop-development -o json |\n    sed 's/shop-development/shop-production/; s/\"environment\": \"development\"/\"environment\": \"production\"/' |\n    kubectl apply --dry-run=server -f -",
            0,
            &[
                "Warning: ",
                "cannot go to production yet: pipeline shop wants it to have run healthily in staging first",
            ],
        ),
    ]
}

fn staging() -> Vec<Step> {
    vec![
        step(
            Dana,
            "Promoted to staging, with another number of replicas: what changes there, rendered",
            "kubectl release promote shop --to staging --config replicas=3 --diff --dry-run=server | grep -w replicas",
            0,
            &["+  replicas: 3"],
        ),
        step(
            Dana,
            "",
            "kubectl release promote shop --to staging --config replicas=3 --reason \"ready for the testers\"",
            0,
            &[
                "releasebinding.openchoreo.dev/shop-staging created",
                "is pinned in staging as revision 1, by dana@acme.example",
            ],
        ),
    ]
}

fn enforcement() -> Vec<Step> {
    vec![
        step(
            Petra,
            "The platform's engineer makes the pipeline a rule; that is recorded like everything else",
            "kubectl annotate --overwrite deploymentpipeline shop release.openchoreo.dev/enforcement=enforce \\\n    release.openchoreo.dev/reason=\"audit of November\"",
            0,
            &["annotated"],
        ),
        step(
            Petra,
            "",
            "kubectl release history deploymentpipeline/shop",
            0,
            &[
                "2 ",
                "update petra@acme.example audit of November",
                "create petra@acme.example the shop moves to the new cluster",
            ],
        ),
        step(
            Dana,
            "Now a pin in production is refused by the cluster itself, with the reason why",
            "kubectl get releasebinding shop-development -o json |\n    sed 's/shop-development/shop-production/; s/\"environment\": \"development\"/\"environment\": \"production\"/' |\n    kubectl apply -f -",
            1,
            &[
                "Forbidden",
                "cannot go to production yet: pipeline shop wants it to have run healthily in staging first",
                "no controller has reported its health",
            ],
        ),
    ]
}

fn faults() -> Vec<Step> {
    vec![
        step(
            Dana,
            "A broken release is refused with every fault at once, each with its field",
            "kubectl create -f tests/broken/release.yaml",
            1,
            &[
                "The Release \"shop-broken\" is invalid",
                "spec.owner.componentName: is required",
                "spec.resources[1].id:",
                "spec.interval: \"5 minutes\" is not a duration",
                "spec.progressingInterval:",
            ],
        ),
        step(
            Dana,
            "The plugin says the same of manifests, with file and line, before anything is sent",
            "kubectl release create shop -f tests/broken/secret.yaml -f tests/broken/duplicate.yaml -f tests/broken/own-kind.yaml",
            3,
            &[
                "tests/broken/secret.yaml:",
                "apply the Secret beside the release",
                "tests/broken/duplicate.yaml:",
                "tests/broken/own-kind.yaml:",
            ],
        ),
    ]
}

fn by_hand() -> Vec<Step> {
    vec![
        step(
            Omar,
            "Somebody else changes the pin with kubectl: it stands in the history under his name",
            "kubectl patch releasebinding shop-staging --type=merge \\\n    -p '{\"spec\":{\"componentTypeEnvironmentConfigs\":{\"replicas\":4}},\"metadata\":{\"annotations\":{\"release.openchoreo.dev/reason\":\"load test\"}}}'",
            0,
            &["patched"],
        ),
        step(
            Omar,
            "He tries to put it into somebody else's shoes, and to wipe the history",
            "kubectl annotate --overwrite releasebinding shop-staging release.openchoreo.dev/changed-by=dana@acme.example \\\n    release.openchoreo.dev/history='[]'",
            0,
            &["annotated"],
        ),
        step(
            Omar,
            "",
            "kubectl release history shop staging",
            0,
            &[
                "staging 2",
                "configure",
                "omar@acme.example Unknown load test",
                "staging 1",
                "promote",
                "dana@acme.example Unknown ready for the testers",
            ],
        ),
    ]
}

fn race() -> Vec<Step> {
    vec![step(
        Dana,
        "Dana's next change was planned when revision 1 stood there: she is told who was first (this is what her plugin sends)",
        "kubectl patch releasebinding shop-staging --field-manager=kubectl-release --type=merge \\\n    \
         -p '{\"spec\":{\"state\":\"Undeploy\"},\"metadata\":{\"annotations\":{\"release.openchoreo.dev/expected-revision\":\"1\"}}}'",
        1,
        &["Error from server (Conflict)", "omar@acme.example was first: revision 2 of shop-staging"],
    )]
}

fn record() -> Vec<Step> {
    vec![
        step(
            Dana,
            "What is pinned where",
            "kubectl release list",
            0,
            &["shop development v1.4.0 Unknown", "shop staging v1.4.0 Unknown"],
        ),
        step(
            Dana,
            "Who changed what, when and why: the whole history",
            "kubectl release history shop",
            0,
            &[
                "ENVIRONMENT REVISION AT ACTION RELEASE VERSION BY OUTCOME REASON",
                "omar@acme.example",
                "development 1",
                "dana@acme.example Unknown gift cards",
            ],
        ),
        step(Dana, "", "kubectl release history shop --verify", 0, &["shop-staging: the records hold together"]),
        step(
            Dana,
            "The same as JSON, for scripts",
            "kubectl release history shop -o json",
            0,
            &[
                "\"by\": \"omar@acme.example\"",
                "\"action\": \"configure\"",
                "\"replicas\": 4",
                "\"manager\": \"kubectl-patch\"",
            ],
        ),
    ]
}
