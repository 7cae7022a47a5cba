//! How long an answer of the API server may take, its body included: a connection that is gone without a word would hold its caller for ever.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use kube::client::Body;
use thiserror::Error;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tower::{BoxError, Layer, Service};

/// How long an answer may take, that of a watch until it begins: the API server itself gives up after 60 s, so nothing comes after this.
const WHOLE: Duration = Duration::from_secs(61);
/// How long nothing may come in the middle of an answer: the API server has all of it when it begins to send.
const SILENCE: Duration = Duration::from_secs(10);

/// Why an answer was given up.
#[derive(Debug, Error)]
pub(super) enum GivenUp {
    /// It did not begin.
    #[error("the API server did not answer within {} s", WHOLE.as_secs())]
    Unanswered,
    /// It did not come to its end.
    #[error("the rest of the API server's answer did not come: nothing for {} s, or not all within {} s", SILENCE.as_secs(), WHOLE.as_secs())]
    Incomplete,
}

/// Gives up an answer that takes too long. What is sent again is another request, with a time of its own.
///
/// A watch that was granted has no end and may be silent; how long is the affair of who watches ([`crate::follow`]).
#[derive(Debug, Clone, Copy)]
pub(super) struct InTime;

impl<S> Layer<S> for InTime {
    type Service = AnswerInTime<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AnswerInTime(inner)
    }
}

/// A service that answers in time or not at all; from [`InTime`].
#[derive(Debug, Clone)]
pub(super) struct AnswerInTime<S>(S);

impl<S, B> Service<Request<Body>> for AnswerInTime<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
    B: Send,
{
    type Response = Response<Remaining<B>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let latest = Instant::now() + WHOLE;
        let is_watch = is_watch(&request);
        let answer = timeout_at(latest, self.0.call(request));
        Box::pin(async move {
            let answer = answer.await.map_err(|_| GivenUp::Unanswered)??;
            let has_no_end = is_watch && answer.status().is_success();
            Ok(answer.map(|body| Remaining { body, latest: (!has_no_end).then_some(latest), silence: None }))
        })
    }
}

/// Whether a request is a watch, by what the API server goes by.
fn is_watch(request: &Request<Body>) -> bool {
    request.uri().query().is_some_and(|query| query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1")))
}

/// What is still to come of an answer.
#[derive(Debug)]
pub(super) struct Remaining<B> {
    body: B,
    /// When all of it must have come; never, where there is no end.
    latest: Option<Instant>,
    /// Until when something must come. It runs while something is waited for.
    silence: Option<Pin<Box<Sleep>>>,
}

impl<B> HttpBody for Remaining<B>
where
    B: HttpBody + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.silence = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let Some(latest) = this.latest else { return Poll::Pending };
        let silence = this.silence.get_or_insert_with(|| Box::pin(sleep_until(latest.min(Instant::now() + SILENCE))));
        ready!(silence.as_mut().poll(cx));
        Poll::Ready(Some(Err(GivenUp::Incomplete.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use futures::{StreamExt, stream};
    use http_body_util::StreamBody;
    use kube::api::{Api, DynamicObject, ListParams, WatchParams};
    use kube::client::ClientBuilder;
    use kube::{Client, Error};
    use release_shared::kinds::Kind;

    use super::*;
    use crate::kind::resource;

    const LIST: &str = r#"{"apiVersion": "openchoreo.dev/v1alpha1", "kind": "ProjectList", "metadata": {"resourceVersion": "7"}, "items": []}"#;
    const CHANGE: &str = concat!(
        r#"{"type": "ADDED", "object": {"apiVersion": "openchoreo.dev/v1alpha1", "kind": "Project", "metadata": {"name": "shop"}}}"#,
        "\n"
    );
    const BUSY: &str = r#"{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500}"#;

    /// A client whose every answer comes in these parts, each after a pause; what comes after them never does.
    fn client(status: u16, parts: &[(Duration, &'static str)]) -> Client {
        let parts: Arc<[_]> = parts.into();
        let service = tower::service_fn(move |_: Request<Body>| {
            let parts = Arc::clone(&parts);
            async move {
                let parts = stream::unfold((parts, 0), |(parts, at)| async move {
                    let Some(&(pause, part)) = parts.get(at) else { return std::future::pending().await };
                    tokio::time::sleep(pause).await;
                    Some((Ok::<_, Infallible>(Frame::data(part.as_bytes().into())), (parts, at + 1)))
                });
                let body = StreamBody::new(parts.boxed());
                Ok::<_, BoxError>(Response::builder().status(status).body(body)?)
            }
        });
        ClientBuilder::new(service, "default").with_layer(&InTime).build()
    }

    fn projects(client: Client) -> Api<DynamicObject> {
        Api::all_with(client, &resource(Kind::Project))
    }

    /// What a list came to, and after how many seconds.
    async fn listed(parts: &[(Duration, &'static str)]) -> (String, u64) {
        let start = Instant::now();
        let Err(Error::Service(error)) = projects(client(200, parts)).list(&ListParams::default()).await else {
            panic!("a list that has no end was read")
        };
        (error.to_string(), start.elapsed().as_secs())
    }

    const SOON: Duration = Duration::from_millis(1);
    const LATE: Duration = Duration::from_secs(9);

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_stops_half_way_is_given_up() {
        let (head, _) = LIST.split_at(40);
        let (error, seconds) = listed(&[(SOON, head)]).await;
        assert_eq!(seconds, SILENCE.as_secs());
        assert!(error.contains("did not come"), "{error}");
        // What has come keeps it going for a while only.
        assert_eq!(listed(&[(SOON, ""), (LATE, head)]).await.1, 19);
        assert_eq!(listed(&vec![(LATE, " "); 100]).await.1, WHOLE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_that_stops_half_way_is_given_up_also_of_a_watch() {
        let projects = projects(client(500, &[(SOON, BUSY)]));
        let start = Instant::now();
        let watch = projects.watch(&WatchParams::default(), "7").await;
        assert!(matches!(watch, Err(Error::Service(_))), "{:?}", watch.map(drop));
        assert_eq!(start.elapsed().as_secs(), SILENCE.as_secs());
        assert!(matches!(projects.get("shop").await, Err(Error::Service(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_may_be_silent() {
        let long = Duration::from_secs(600);
        let watch = projects(client(200, &[(SOON, CHANGE), (long, CHANGE)])).watch(&WatchParams::default(), "7").await;
        let mut watch = std::pin::pin!(watch.unwrap());
        for _ in 0..2 {
            watch.next().await.unwrap().unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_begin_is_given_up() {
        let silent = tower::service_fn(async |_: Request<Body>| {
            std::future::pending::<Result<Response<Body>, BoxError>>().await
        });
        let start = Instant::now();
        let client = ClientBuilder::new(silent, "default").with_layer(&InTime).build();
        let error = projects(client).get("shop").await.unwrap_err();
        assert_eq!(error.to_string(), "ServiceError: the API server did not answer within 61 s");
        assert_eq!(start.elapsed(), WHOLE);
    }
}
