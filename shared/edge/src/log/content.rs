//! No object's content is logged, also not by others.

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterFn, filter_fn};

/// Where kube-client logs an answer of the API server as a whole, a Secret's too, when it cannot read it: as `WARN`, and some below that.
const TELLS_CONTENT: &str = "kube_client::client";
/// How a target is named that has it in it.
const NAMED: &str = "kube_client";

/// Takes out of the log what has an object's content, unless `filter` names the target of that itself: then it is wanted.
pub(super) fn left_out(filter: &str) -> FilterFn<impl Fn(&Metadata<'_>) -> bool + use<>> {
    let is_wanted = filter.split(',').any(|directive| directive.trim_start().starts_with(NAMED));
    filter_fn(move |line| is_wanted || line.target() != TELLS_CONTENT || *line.level() == Level::ERROR)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use http::{Request, Response};
    use k8s_openapi::api::core::v1::Secret;
    use kube::client::Body;
    use kube::{Api, Client};
    use tracing_subscriber::EnvFilter;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Said(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Said {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(line)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged when a Secret comes that cannot be read, and then a failure that is none of Kubernetes.
    fn said(filter: &str) -> String {
        let said = Said::default();
        let writer = said.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_env_filter(EnvFilter::new(filter))
            .finish()
            .with(left_out(filter));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        tracing::subscriber::with_default(subscriber, || {
            runtime.block_on(async {
                for (status, answer) in [(200, r#"{"data": {"password": "aHVudGVyMg=="}"#), (502, "aHVudGVyMg==")] {
                    let server = tower::service_fn(move |_: Request<Body>| {
                        let body = Body::from(answer.as_bytes().to_vec());
                        std::future::ready(Response::builder().status(status).body(body))
                    });
                    let secrets: Api<Secret> = Api::namespaced(Client::new(server, "default"), "default");
                    assert!(secrets.get("password").await.is_err());
                }
                tracing::warn!("this is ours");
            });
        });
        String::from_utf8(std::mem::take(&mut said.0.lock().unwrap())).unwrap()
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_not_logged() {
        for filter in ["info", "debug", "trace", "info,kube_runtime=error", "kube=trace"] {
            let said = said(filter);
            assert!(!said.contains("aHVudGVyMg"), "{filter}: {said}");
            assert_eq!(said.contains("this is ours"), filter != "kube=trace", "{filter}: {said}");
        }
        assert_eq!(said("off"), "");
    }

    #[test]
    fn who_names_the_target_wants_it() {
        for filter in ["info,kube_client=warn", "kube_client::client=debug"] {
            assert!(said(filter).contains("aHVudGVyMg"), "{filter}");
        }
    }
}
