//! What kube's client really says of an answer that it cannot read: a newer one may say it elsewhere.

use std::sync::Arc;

use http::{Request, Response};
use kube::api::{Api, DynamicObject};
use kube::client::{Body, Client};
use release_shared::kinds::Kind;

use super::*;
use crate::kind::resource;

/// What is logged when an object comes that cannot be read, and then a failure that is none of Kubernetes.
fn said(text: &str) -> String {
    let said = Arc::<Mutex<Vec<u8>>>::default();
    let writer = Arc::clone(&said);
    let lines = tracing_subscriber::fmt::layer().with_writer(move || Lines(Arc::clone(&writer)));
    let subscriber = tracing_subscriber::registry().with(filter(text).unwrap().0).with(lines);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(async {
            for (status, answer) in [(200, r#"{"data": {"password": "aHVudGVyMg=="}"#), (502, "aHVudGVyMg==")] {
                let server = tower::service_fn(move |_: Request<Body>| {
                    let body = Body::from(answer.as_bytes().to_vec());
                    std::future::ready(Response::builder().status(status).body(body))
                });
                let client = Client::new(server, "default");
                let objects: Api<DynamicObject> = Api::namespaced_with(client, "default", &resource(Kind::Project));
                assert!(objects.get("password").await.is_err());
            }
            tracing::warn!("this is ours");
        });
    });
    String::from_utf8(std::mem::take(&mut said.lock().unwrap())).unwrap()
}

struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_answer_that_cannot_be_read_is_not_logged() {
    for text in ["info", "debug", "trace", "info,kube_runtime=error"] {
        let said = said(text);
        assert!(!said.contains("aHVudGVyMg"), "{text}: {said}");
        assert!(said.contains("this is ours"), "{text}: {said}");
    }
    for text in ["info,kube_client=warn", "kube_client::client=debug"] {
        assert!(said(text).contains("aHVudGVyMg"), "who names it wants it: {text}");
    }
}
