use super::event::last_about;
use super::live::Live;
use super::{Around, Assessment};

/// A Service is well when it exists, but for one that waits for a load balancer of the cloud.
pub(super) fn assess(live: Live<'_>, around: &Around<'_>) -> Assessment {
    let waits = live.text("/spec/type") == "LoadBalancer" && live.list("/status/loadBalancer/ingress").is_empty();
    if !waits {
        return Assessment::healthy();
    }
    let failed = last_about(around.events, live.uid(), |event| event.reason == "SyncLoadBalancerFailed");
    let said = failed.map_or(String::new(), |event| format!(": {}", event.message));
    Assessment::progressing(&format!("waits for the address of its load balancer{said}"))
}

#[cfg(test)]
mod tests {
    use crate::health::tests::*;

    #[test]
    fn services() {
        check(&[
            ("no type", &["{apiVersion: v1, kind: Service}"], "Healthy"),
            (
                "ClusterIP",
                &["{apiVersion: v1, kind: Service, spec: {type: ClusterIP}, status: {loadBalancer: {}}}"],
                "Healthy",
            ),
            (
                "LoadBalancer",
                &["{apiVersion: v1, kind: Service, spec: {type: LoadBalancer}, status: {loadBalancer: {}}}"],
                "Progressing: waits for the address of its load balancer",
            ),
            (
                "LoadBalancer with an address",
                &[
                    "{apiVersion: v1, kind: Service, spec: {type: LoadBalancer}, status: {loadBalancer: {ingress: [{ip: 1.2.3.4}]}}}",
                ],
                "Healthy",
            ),
            (
                "LoadBalancer that fails",
                &[
                    "{apiVersion: v1, kind: Service, metadata: {uid: s1}, spec: {type: LoadBalancer}}",
                    "{kind: Event, type: Warning, reason: SyncLoadBalancerFailed, message: 'Error syncing load balancer: quota', involvedObject: {kind: Service, name: a, uid: s1}}",
                ],
                "Progressing: waits for the address of its load balancer: Error syncing load balancer: quota",
            ),
        ]);
    }
}
