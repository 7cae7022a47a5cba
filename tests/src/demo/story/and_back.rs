//! What goes wrong, whose doing it is, and the way back.

use super::super::Person::{Dana, Omar};
use super::super::Step;
use super::step;

pub(super) fn steps() -> Vec<Step> {
    [faults(), by_hand(), broken(), back(), ended()].concat()
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
            "Somebody else changes a pin with kubectl",
            "kubectl patch releasebinding shop-staging --type=merge \\\n    \
             -p '{\"spec\":{\"componentTypeEnvironmentConfigs\":{\"replicas\":5}},\"metadata\":{\"annotations\":{\"release.openchoreo.dev/reason\":\"load test\"}}}'",
            0,
            &["patched"],
        ),
        step(
            Omar,
            "He tries to put it into somebody else's shoes and to wipe the history: it stands there under his name",
            "kubectl annotate --overwrite releasebinding shop-staging release.openchoreo.dev/changed-by=dana@acme.example \\\n    \
             release.openchoreo.dev/history='[]' &&\n    \
             kubectl get releasebinding shop-staging -o jsonpath='{.metadata.annotations.release\\.openchoreo\\.dev/changed-by}{\"\\n\"}' &&\n    \
             kubectl release history shop staging",
            0,
            &[
                "annotated omar@acme.example ENVIRONMENT",
                "staging 2",
                "configure",
                "load test staging 1",
                "promote",
                "dana@acme.example Healthy ready for the testers",
            ],
        ),
        step(
            Dana,
            "Dana's next change was planned when revision 1 stood there: she is told who was first (this is what her plugin sends)",
            "kubectl patch releasebinding shop-staging --field-manager=kubectl-release --type=merge \\\n    \
             -p '{\"spec\":{\"state\":\"Undeploy\"},\"metadata\":{\"annotations\":{\"release.openchoreo.dev/expected-revision\":\"1\"}}}'",
            1,
            &["Error from server (Conflict)", "omar@acme.example was first: revision 2 of shop-staging"],
        ),
    ]
}

fn broken() -> Vec<Step> {
    vec![
        step(
            Dana,
            "The next version goes the same way",
            "kubectl release create shop -f examples/shop --version v1.4.1 --image registry.example/shop/storefront=*:1.4.1 \\\n    \
             --lift replicas=Deployment/shop:/spec/replicas \\\n    \
             --lift image=Deployment/shop:/spec/template/spec/containers/0/image --reason \"vouchers\" --wait &&\n    \
             kubectl release promote shop --to staging --reason \"vouchers\" --wait",
            0,
            &[
                "is pinned in development as revision 2, by dana@acme.example",
                "development: revision 2 is Healthy",
                "is pinned in staging as revision 3, by dana@acme.example",
                "staging: revision 3 is Healthy",
            ],
        ),
        step(
            Dana,
            "Production takes its images from a mirror, which does not have this one: the command waits, and tells why it is not healthy",
            "kubectl release promote shop --to production --config replicas=6 \\\n    \
             --config image=mirror.example/shop/storefront:1.4.1-does-not-exist --reason \"vouchers for everybody\" --wait",
            6,
            &[
                "shop v1.4.1",
                "is pinned in production as revision 2, by dana@acme.example",
                "error: shop in production: revision 2 is Degraded: Deployment retail-production/shop: \
                 image mirror.example/shop/storefront:1.4.1-does-not-exist cannot be pulled: not found",
                "go back with `kubectl release rollback shop production`",
            ],
        ),
        step(
            Omar,
            "Everybody sees it, and why",
            "kubectl release status shop production",
            0,
            &[
                "production v1.4.1",
                "Degraded 2",
                "dana@acme.example vouchers for everybody",
                "production: Deployment retail-production/shop: \
                 image mirror.example/shop/storefront:1.4.1-does-not-exist cannot be pulled: not found",
                "Service retail-production/shop Healthy",
            ],
        ),
        step(
            Dana,
            "",
            "kubectl get pods -n retail-production -l app.kubernetes.io/component=storefront",
            0,
            &["2/2 Running", "1/2 ImagePullBackOff"],
        ),
    ]
}

fn back() -> Vec<Step> {
    vec![
        step(
            Dana,
            "Back to the last healthy revision: the release before, and the configuration that it had",
            "kubectl release rollback shop production --reason \"no vouchers today\" --diff --yes --wait",
            0,
            &[
                "- replicas: 6 + replicas: 4",
                "- image: mirror.example/shop/storefront:1.4.1-does-not-exist + image: registry.example/shop/storefront:1.4.0",
                "back to revision 1 (shop v1.4.0), the last healthy one",
                "production has it as revision 3, by dana@acme.example",
                "production: revision 3 is Healthy",
            ],
        ),
        step(
            Dana,
            "It is live again",
            "kubectl get deployment shop -n retail-production -o wide",
            0,
            &["shop 4/4 4 4", "registry.example/shop/storefront:1.4.0,"],
        ),
    ]
}

fn ended() -> Vec<Step> {
    vec![
        step(
            Dana,
            "Undeployed: the live objects go, and pin and history stay",
            "kubectl release undeploy shop production --reason \"closed over Christmas\" --wait",
            0,
            &[
                "is undeployed in production as revision 4, by dana@acme.example",
                "production: revision 4 is undeployed, its objects are gone",
            ],
        ),
        step(
            Dana,
            "",
            "kubectl get deployments,statefulsets,jobs,services,ingresses -n retail-production",
            0,
            &["No resources found in retail-production namespace."],
        ),
        step(
            Dana,
            "Who changed what, when and why, and how it went",
            "kubectl release history shop production",
            0,
            &[
                "ENVIRONMENT REVISION AT ACTION RELEASE VERSION BY OUTCOME REASON production 4",
                "dana@acme.example Undeployed closed over Christmas production 3",
                "dana@acme.example Healthy no vouchers today production 2",
                "dana@acme.example Degraded: Deployment retail-production/shop: image",
                "vouchers for everybody production 1",
                "dana@acme.example Healthy gift cards for everybody",
            ],
        ),
        step(
            Omar,
            "Every record holds together, in every environment",
            "kubectl release history shop --verify",
            0,
            &[
                "shop-development: the records hold together",
                "shop-production: the records hold together",
                "shop-staging: the records hold together",
            ],
        ),
        step(
            Dana,
            "Everything about one revision, as JSON for scripts",
            "kubectl release history shop production --revision 2 -o json",
            0,
            &[
                "\"by\": \"dana@acme.example\"",
                "\"action\": \"promote\"",
                "\"replicas\": 6",
                "\"lastHealth\": \"Degraded\"",
                "\"cause\": \"Deployment retail-production/shop: image mirror.example/shop/storefront:1.4.1-does-not-exist cannot be pulled: not found\"",
                "\"endedBy\": 3",
                "\"manager\": \"kubectl-release\"",
            ],
        ),
    ]
}
