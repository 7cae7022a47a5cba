//! What a client may send on a connection.

use super::Seeds;

const REVIEW: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"a","kind":{"group":"openchoreo.dev","version":"v1alpha1","kind":"Release"},"name":"web-dev","namespace":"acme","operation":"CREATE","userInfo":{"username":"jane"},"object":{"apiVersion":"openchoreo.dev/v1alpha1","kind":"Release","metadata":{"name":"web-dev","namespace":"acme"},"spec":{"owner":{"projectName":"shop","componentName":"web"},"environmentName":"dev","resources":[]}}}}"#;

const LIVEZ: &str = "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";

pub(crate) fn seeds() -> Seeds {
    let deletion = REVIEW.replace("CREATE", "DELETE").replace("\"object\"", "\"oldObject\"");
    let mutate = post("/mutate?timeout=10s", REVIEW);
    let unread =
        format!("{}{}{LIVEZ}", LIVEZ.replacen("\r\n\r\n", "\r\nContent-Length: 200\r\n\r\n", 1), "b".repeat(200));
    let texts = [
        ("mutate", mutate.clone()),
        ("validate", post("/validate?timeout=5s", REVIEW)),
        ("delete", post("/validate", &deletion)),
        ("one-after-the-other", format!("{mutate}{}", post("/validate", REVIEW))),
        ("chunked", chunked(REVIEW)),
        ("chunked-wrongly", chunked(REVIEW).replace("\r\n0\r\n", "\r\nzz\r\n")),
        ("expect", mutate.replacen("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n", 1)),
        ("close", mutate.replacen("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)),
        ("http-1-0", mutate.replacen("HTTP/1.1", "HTTP/1.0", 1)),
        ("no-type", mutate.replacen("Content-Type: application/json\r\n", "", 1)),
        ("other-type", mutate.replacen("application/json", "text/plain", 1)),
        ("empty-body", post("/mutate", "")),
        ("no-json", post("/mutate", "{")),
        ("body-cut-short", mutate[..mutate.len() - 40].to_owned()),
        ("head-cut-short", mutate[..40].to_owned()),
        ("longer-than-said", format!("{mutate}{{}}")),
        ("two-lengths", mutate.replacen("\r\n\r\n", "\r\nContent-Length: 1\r\n\r\n", 1)),
        ("length-and-chunked", mutate.replacen("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n", 1)),
        ("negative-length", "POST /mutate HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n".into()),
        ("huge-length", "POST /mutate HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n{}".into()),
        ("get", "GET /mutate HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("head", "HEAD /validate HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("options", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("connect", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("livez", LIVEZ.into()),
        ("livez-head", LIVEZ.replacen("GET", "HEAD", 1)),
        ("head-among-others", format!("{LIVEZ}{}{mutate}{LIVEZ}", LIVEZ.replacen("GET", "HEAD", 1))),
        ("livez-with-body", LIVEZ.replacen("\r\n\r\n", "\r\nContent-Length: 2\r\n\r\n{}", 1)),
        ("found-body-that-livez-left-unread", unread),
        ("impatient", mutate.replacen("timeout=10s", "timeout=1ms", 1)[..mutate.len() - 40].to_owned()),
        ("head-too-large", LIVEZ.replacen("\r\n\r\n", &format!("\r\nA: {}\r\n\r\n", "b".repeat(17 * 1024)), 1)),
        ("head-that-never-ends", format!("{LIVEZ}GET /livez HTTP/1.1\r\nHost")),
        ("elsewhere", post("/elsewhere", REVIEW)),
        ("upgrade", mutate.replacen("\r\n\r\n", "\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 1)),
        ("http-2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into()),
        ("many-headers", format!("POST /mutate HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(70))),
        ("tls", "\u{16}\u{3}\u{1}\u{0}\u{5}\u{1}\u{0}\u{0}\u{1}\u{0}".into()),
        ("empty", String::new()),
    ];
    texts.into_iter().map(|(name, text)| (name.to_owned(), text.into_bytes())).collect()
}

fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: release-webhook.release-system.svc\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn chunked(body: &str) -> String {
    let (first, second) = body.split_at(body.len() / 2);
    format!(
        "POST /mutate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x};a=b\r\n{second}\r\n0\r\nA: b\r\n\r\n",
        first.len(),
        second.len()
    )
}
