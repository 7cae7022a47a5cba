//! From manifests to production, and every way around the path.

use super::super::Person::{Admin, Dana, Petra};
use super::super::Step;
use super::step;

pub(super) fn steps() -> Vec<Step> {
    [stage(), project(), release(), straight_to_production(), promoted()].concat()
}

fn stage() -> Vec<Step> {
    vec![
        step(
            Admin,
            "The administrator makes namespaces and gives three people their roles, and is not needed after that",
            "kubectl create namespace acme",
            0,
            &["namespace/acme created"],
        ),
        step(
            Admin,
            "",
            "kubectl create rolebinding petra -n acme --clusterrole=release-platform-engineer --user=petra@acme.example &&\n    \
             kubectl create rolebinding developers -n acme --clusterrole=release-developer --user=dana@acme.example --user=omar@acme.example",
            0,
            &[
                "rolebinding.rbac.authorization.k8s.io/petra created",
                "rolebinding.rbac.authorization.k8s.io/developers created",
            ],
        ),
        step(
            Admin,
            "",
            "for environment in development staging production; do\n    \
             kubectl create namespace retail-$environment &&\n    \
             kubectl create rolebinding developers -n retail-$environment --clusterrole=view --user=dana@acme.example\n\
             done",
            0,
            &[
                "namespace/retail-development created",
                "namespace/retail-staging created",
                "namespace/retail-production created rolebinding.rbac.authorization.k8s.io/developers created",
            ],
        ),
    ]
}

fn project() -> Vec<Step> {
    vec![
        step(
            Dana,
            "A developer may not say where releases go",
            "kubectl release init retail --environments development,staging,production --production production",
            3,
            &["refused by the cluster (Forbidden)", "cannot patch resource \"environments\""],
        ),
        step(
            Petra,
            "The platform's engineer may",
            "kubectl release init retail --environments development,staging,production --production production \\\n    --reason \"the shop moves to the new cluster\"",
            0,
            &[
                "project.openchoreo.dev/retail created",
                "project retail goes through development → staging → production",
            ],
        ),
        step(
            Petra,
            "She makes the pipeline a rule; that is recorded like everything else",
            "kubectl annotate --overwrite deploymentpipeline retail release.openchoreo.dev/enforcement=enforce \\\n    \
             release.openchoreo.dev/reason=\"audit of November\" &&\n    \
             kubectl release history deploymentpipeline/retail",
            0,
            &[
                "deploymentpipeline.openchoreo.dev/retail annotated",
                "update petra@acme.example audit of November",
                "create petra@acme.example the shop moves to the new cluster",
            ],
        ),
    ]
}

fn release() -> Vec<Step> {
    vec![
        step(
            Dana,
            "A release is cut from plain manifests and pinned where releases enter; replicas and an image may differ per environment",
            "kubectl release create shop -f examples/shop --version v1.4.0 --lift replicas=Deployment/shop:/spec/replicas \\\n    \
             --lift image=Deployment/shop:/spec/template/spec/containers/0/image --reason \"gift cards\" --wait",
            0,
            &[
                "component.openchoreo.dev/shop created",
                "releasebinding.openchoreo.dev/shop-development created",
                "is pinned in development as revision 1, by dana@acme.example",
                "development: revision 1 is Healthy",
            ],
        ),
        step(
            Dana,
            "The same again changes nothing, and says so",
            "kubectl release create shop -f examples/shop --version v1.4.0 --lift replicas=Deployment/shop:/spec/replicas \\\n    \
             --lift image=Deployment/shop:/spec/template/spec/containers/0/image --reason \"gift cards\"",
            0,
            &[
                "releasebinding.openchoreo.dev/shop-development unchanged",
                "nothing changes: development runs shop v1.4.0",
            ],
        ),
        step(
            Dana,
            "What the controller has made of it, down to the pods",
            "kubectl release tree shop development",
            0,
            &[
                "Release shop-development Healthy",
                "├── Deployment retail-development/shop Healthy │ └── ReplicaSet shop-",
                "Pod shop-database-0 Healthy",
            ],
        ),
    ]
}

fn straight_to_production() -> Vec<Step> {
    vec![
        step(
            Dana,
            "Straight to production: the plugin says why not, and sends nothing",
            "kubectl release promote shop --release v1.4.0 --to production",
            3,
            &[
                "refused, and nothing was sent",
                "cannot go to production yet: pipeline retail wants it to have run healthily in staging first",
            ],
        ),
        step(
            Dana,
            "… and the cluster itself refuses, whatever client asks",
            "kubectl get releasebinding shop-development -o json |\n    \
             sed 's/shop-development/shop-production/; s/\"environment\": \"development\"/\"environment\": \"production\"/' |\n    \
             kubectl apply -f -",
            1,
            &[
                "Error from server (Forbidden)",
                "admission webhook \"mutate.release.openchoreo.dev\" denied the request",
                "cannot go to production yet: pipeline retail wants it to have run healthily in staging first",
            ],
        ),
    ]
}

fn promoted() -> Vec<Step> {
    vec![
        step(
            Dana,
            "Promoted to staging, with another number of replicas",
            "kubectl release promote shop --to staging --config replicas=3 --reason \"ready for the testers\" --wait",
            0,
            &[
                "releasebinding.openchoreo.dev/shop-staging created",
                "is pinned in staging as revision 1, by dana@acme.example",
                "staging: revision 1 is Healthy",
            ],
        ),
        step(Dana, "", "kubectl get deployment shop -n retail-staging", 0, &["shop 3/3"]),
        step(
            Dana,
            "It has run there healthily: now production is open to it",
            "kubectl release promote shop --to production --config replicas=4 --reason \"gift cards for everybody\" --wait",
            0,
            &["is pinned in production as revision 1, by dana@acme.example", "production: revision 1 is Healthy"],
        ),
        step(
            Dana,
            "What is pinned where, and how it is doing",
            "kubectl release list",
            0,
            &["shop development v1.4.0 Healthy", "shop production v1.4.0 Healthy", "shop staging v1.4.0 Healthy"],
        ),
    ]
}
