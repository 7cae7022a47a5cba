use std::sync::Mutex;

use axum::http::StatusCode;
use kube::Api;
use kube::api::ListParams;
use release_edge::kind::resource;
use release_shared::kinds::Kind;
use serde_json::{Value, json};

use super::*;
use crate::cache::RawObject;

/// What was asked for.
type Asked = Arc<Mutex<Vec<String>>>;

/// An API server with objects of so many bytes each.
fn server(sizes: &'static [usize]) -> (Client, Asked) {
    let asked = Asked::default();
    let heard = Arc::clone(&asked);
    let service = tower::service_fn(move |request: Request<Body>| {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let number = |key: &str| query.split('&').find_map(|parameter| parameter.strip_prefix(key)?.parse().ok());
        let (limit, from) = (number("limit=").unwrap_or(sizes.len()), number("continue=").unwrap_or(0));
        let page: Vec<_> =
            sizes.iter().enumerate().skip(from).take(limit).map(|(at, size)| object(at, *size)).collect();
        let to = from + page.len();
        let list = json!({"metadata": {"continue": if to < sizes.len() { to.to_string() } else { String::new() }}, "items": page});
        heard.lock().unwrap().push(query);
        async move { Ok::<_, kube::Error>(Response::new(Body::from(list.to_string().into_bytes()))) }
    });
    (Client::new(service, "acme"), asked)
}

fn object(at: usize, size: usize) -> Value {
    json!({"metadata": {"name": format!("web-{at}"), "labels": {"a": "x".repeat(size)}}})
}

/// The names of all, by pages of `limit` objects that have no more bytes than these.
async fn list(client: &Client, limit: u32, bytes: usize) -> Vec<String> {
    let api = Api::<RawObject>::all_with(bounded(client, bytes), &resource(Kind::Component));
    let (mut page, mut names) = (ListParams::default().limit(limit), Vec::new());
    loop {
        let found = api.list(&page).await.unwrap();
        names.extend(found.items.iter().map(kube::ResourceExt::name_any));
        match found.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return names,
        }
    }
}

#[tokio::test]
async fn a_page_has_no_more_bytes_than_it_may_have_and_nothing_is_left_out() {
    static SIZES: [usize; 40] = {
        let mut sizes = [100; 40];
        sizes[3] = 9_000;
        sizes[17] = 50_000;
        sizes
    };
    let (client, asked) = server(&SIZES);
    let names = list(&client, 20, 10_000).await;
    assert_eq!(names, (0..40).map(|at| format!("web-{at}")).collect::<Vec<_>>());
    let asked = asked.lock().unwrap();
    assert_eq!(asked[..2], ["limit=20", "limit=5"], "the first page is too large");
    assert!(asked.contains(&"limit=1&continue=17".to_owned()), "{asked:?}: one object is read however large it is");
    assert!(asked.len() < 20, "{asked:?}");
}

#[tokio::test]
async fn small_objects_come_in_as_large_pages_as_are_asked_for() {
    static SIZES: [usize; 1200] = [10; 1200];
    let (client, asked) = server(&SIZES);
    assert_eq!(list(&client, 500, 4 << 20).await.len(), 1200);
    assert_eq!(*asked.lock().unwrap(), ["limit=500", "limit=500&continue=500", "limit=500&continue=1000"]);
}

#[tokio::test]
async fn only_lists_are_looked_into() {
    let page = |method: Method, uri: &str| Page::of(&Request::builder().method(method).uri(uri).body(()).unwrap());
    assert_eq!(page(Method::GET, "/apis/x?&limit=4"), Some(Page { limit: 4, goes_on: false }));
    assert_eq!(page(Method::GET, "/apis/x?&limit=4&continue=a%3D"), Some(Page { limit: 4, goes_on: true }));
    for uri in ["/apis/x", "/apis/x?&watch=true&resourceVersion=7", "/apis/x?limit=4&watch=true", "/apis/x?limit=many"]
    {
        assert_eq!(page(Method::GET, uri), None, "{uri}");
    }
    assert_eq!(page(Method::DELETE, "/apis/x?limit=4"), None);
    let uri = with_limit(&"/apis/x?&limit=500&fieldSelector=a%3Db&continue=c".parse().unwrap(), 7).unwrap();
    assert_eq!(uri, "/apis/x?limit=7&fieldSelector=a%3Db&continue=c");
}

#[tokio::test]
async fn a_failure_is_passed_on_as_it_is() {
    let service = tower::service_fn(|_: Request<Body>| async {
        let status =
            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired"});
        let response = Response::builder().status(StatusCode::GONE).body(Body::from(status.to_string().into_bytes()));
        Ok::<_, kube::Error>(response.unwrap())
    });
    let client = bounded(&Client::new(service, "acme"), 8);
    let api = Api::<RawObject>::all_with(client, &resource(Kind::Component));
    let failure = api.list(&ListParams::default().limit(500)).await.unwrap_err();
    assert!(matches!(failure, kube::Error::Api(status) if status.code == 410));
}
