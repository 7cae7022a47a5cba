//! Whatever is sent to the webhook's port gets a well-formed reply or a clean HTTP error, and the next call is answered.

use anyhow::{Context, ensure};
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::webhook_certificates::replica::{Replica, Settings};
use super::webhook_connections::{good, review, trusted};
use super::wire::{Wire, post};

trials! {
    admission:
    a_hostile_body_is_answered_with_its_uid_or_a_status,
    every_operation_and_kind_is_answered,
    a_body_may_come_in_chunks_or_be_announced,
    what_is_no_http_is_told_so_or_cut_off,
}

const JSON: &[&str] = &["Content-Type: application/json"];

/// A webhook of a test's own, and whom to trust there.
struct Port {
    replica: Replica,
    trusted: String,
}

impl Port {
    fn open(namespace: &Namespace<'_>) -> anyhow::Result<Self> {
        let replica = Settings::new(namespace.control_plane(), "protocol", &[])?.start()?;
        Ok(Self { replica, trusted: trusted(namespace)? })
    }

    fn wire(&self) -> anyhow::Result<Wire> {
        Wire::open(&self.trusted, self.replica.address)
    }

    /// It answers as ever.
    fn is_well(&self) -> anyhow::Result<()> {
        assert_eq!(self.wire()?.ask(&good())?.review()?["allowed"], true);
        ensure!(self.replica.is_ready(), "it is not ready");
        Ok(())
    }
}

fn a_hostile_body_is_answered_with_its_uid_or_a_status(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let port = Port::open(namespace)?;
    let good = review(|_| {});
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let with = |extra: &str| good.replacen("\"object\":{", &format!("\"object\":{{\"extra\":{extra},"), 1);
    let in_bytes = |extra: &[u8]| {
        let at = good.find("\"object\":{").unwrap() + "\"object\":{".len();
        [&good.as_bytes()[..at], b"\"extra\":\"", extra, b"\",", &good.as_bytes()[at..]].concat()
    };
    // Denied as a fault in the object, with the uid.
    for (what, body) in [
        ("nested too deep", with(&deep(200)).into_bytes()),
        ("nested 100,000 deep", with(&deep(100_000)).into_bytes()),
        ("nested 100,000 deep and never closed", with(&"[".repeat(100_000)).into_bytes()),
        ("a huge number", with("1e999").into_bytes()),
        ("a number of 100,000 digits", with(&"9".repeat(100_000)).into_bytes()),
        ("invalid UTF-8", in_bytes(b"\xff\xfe\xc3(")),
        ("half of a surrogate pair", in_bytes(b"\\ud800")),
        ("truncated after the uid", good.as_bytes()[..good.find("0-8-15").unwrap() + 20].to_vec()),
        ("truncated at its end", good.as_bytes()[..good.len() - 2].to_vec()),
        ("another version", good.replace("admission.k8s.io/v1", "admission.k8s.io/v2").into_bytes()),
        ("another kind", good.replace("AdmissionReview", "ConversionReview").into_bytes()),
        ("two uids", good.replacen("\"uid\":", "\"uid\":\"0-8-15\",\"uid\":", 1).into_bytes()),
        ("two operations", good.replacen("\"operation\":", "\"operation\":\"DELETE\",\"operation\":", 1).into_bytes()),
        ("an operation that is a number", good.replace("\"CREATE\"", "5").into_bytes()),
        ("more behind it", format!("{good}{good}").into_bytes()),
        ("above 7 MiB", with(&format!("\"{}\"", "x".repeat(7 << 20))).into_bytes()),
    ] {
        let response = port.wire()?.ask(&post("/mutate?timeout=10s", JSON, &body)).context(what)?.review()?;
        let told = (&response["uid"], &response["allowed"], &response["status"]["code"]);
        assert_eq!(told, (&json!("0-8-15"), &json!(false), &json!(422)), "{what}: {response}");
        let message = response["status"]["message"].as_str().unwrap_or_default();
        ensure!(message.len() > 20 && message.len() < 4096, "{what}: {message}");
    }
    // Nobody's uid: an HTTP status, and the connection goes on.
    let mut wire = port.wire()?;
    for (what, headers, body, status) in [
        ("nothing", JSON, &b""[..], 400),
        ("white space", JSON, b"  \n", 400),
        ("no JSON", JSON, b"apiVersion: admission.k8s.io/v1", 400),
        ("no object", JSON, b"[{}]", 400),
        ("no request", JSON, br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#, 400),
        ("a request that is null", JSON, br#"{"kind":"AdmissionReview","request":null}"#, 400),
        ("an empty uid", JSON, br#"{"request":{"uid":""}}"#, 400),
        ("a uid that is a number", JSON, br#"{"request":{"uid":5}}"#, 400),
        ("truncated in the uid", JSON, br#"{"request":{"uid":"0-8"#, 400),
        ("no type", &[], good.as_bytes(), 415),
        ("YAML", &["Content-Type: application/yaml"], good.as_bytes(), 415),
        ("protobuf", &["Content-Type: application/vnd.kubernetes.protobuf"], b"k8s\0", 415),
    ] {
        let answer = wire.ask(&post("/validate", headers, body)).context(what)?;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
    }
    assert_eq!(wire.ask(&self::good())?.review()?["allowed"], true, "the same connection serves on");
    port.is_well()
}

fn every_operation_and_kind_is_answered(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let port = Port::open(namespace)?;
    let mut wire = port.wire()?;
    let pod = json!({ "group": "", "version": "v1", "kind": "Pod" });
    let exec = json!({ "group": "", "version": "v1", "kind": "PodExecOptions" });
    let cases: [(&str, Change, bool); 12] = [
        ("a deletion", Box::new(deletion), true),
        ("a deletion of nothing that is known", Box::new(|request| nothing(request, "DELETE")), true),
        ("a connection", Box::new(|request| nothing(request, "CONNECT")), true),
        ("a connection to a pod", Box::new(move |request| connection(request, &exec)), true),
        ("a pod", Box::new(move |request| request["kind"] = pod.clone()), true),
        ("another group's Release", Box::new(|request| request["kind"]["group"] = "example.com".into()), true),
        ("a kind of another time", Box::new(|request| request["kind"]["kind"] = "Rollout".into()), true),
        ("a subresource", Box::new(|request| request["subResource"] = "status".into()), true),
        ("a creation of nothing", Box::new(|request| nothing(request, "CREATE")), false),
        ("an update of nothing", Box::new(|request| nothing(request, "UPDATE")), false),
        ("an operation of another time", Box::new(|request| request["operation"] = "RENAME".into()), false),
        ("an object that is none", Box::new(|request| request["object"] = json!([5])), false),
    ];
    for (what, change, allowed) in cases {
        for hook in ["mutate", "validate"] {
            let answer = wire.ask(&post(&format!("/{hook}"), JSON, review(&change).as_bytes())).context(what)?;
            let response = answer.review().context(what)?;
            assert_eq!((&response["uid"], &response["allowed"]), (&json!("0-8-15"), &json!(allowed)), "{what}, {hook}");
            let has_patch = response["patch"].is_string();
            ensure!(!has_patch, "{what}: a patch of what is not stored, or is refused: {response}");
        }
    }
    port.is_well()
}

/// What is changed of a request.
type Change = Box<dyn Fn(&mut Value)>;

fn deletion(request: &mut Value) {
    request["oldObject"] = request["object"].take();
    request["operation"] = "DELETE".into();
}

fn nothing(request: &mut Value, operation: &str) {
    request["object"] = Value::Null;
    request["operation"] = operation.into();
}

fn connection(request: &mut Value, kind: &Value) {
    request["operation"] = "CONNECT".into();
    request["kind"] = kind.clone();
    request["subResource"] = "exec".into();
}

fn a_body_may_come_in_chunks_or_be_announced(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let port = Port::open(namespace)?;
    let mut wire = port.wire()?;
    let head = |more: &str| format!("POST /mutate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{more}\r\n");
    let chunked = |body: &str, size: usize| {
        let chunks = body
            .as_bytes()
            .chunks(size)
            .map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        [head("Transfer-Encoding: chunked\r\n").as_bytes(), &chunks.collect::<Vec<_>>().concat(), b"0\r\n\r\n"].concat()
    };
    let good = review(|_| {});
    for size in [1, 7, 100_000] {
        assert_eq!(wire.ask(&chunked(&good, size))?.review()?["allowed"], true, "chunks of {size}");
    }
    let large = good.replacen("\"object\":{", &format!("\"object\":{{\"x\":\"{}\",", "x".repeat(8 << 20)), 1);
    let response = wire.ask(&chunked(&large, 1 << 16))?.review()?;
    assert_eq!((&response["uid"], &response["allowed"]), (&json!("0-8-15"), &json!(false)));

    // Announced: who waits for the word gets it, and then the answer.
    let announced = head(&format!("Content-Length: {}\r\nExpect: 100-continue\r\n", good.len()));
    assert_eq!(wire.ask(announced.as_bytes())?.status, 100);
    assert_eq!(wire.ask(good.as_bytes())?.review()?["allowed"], true);

    // A chunk that is none, and a length that is none: the body cannot be read.
    for body in ["zz\r\n", "ffffffffffffffffffff\r\nx"] {
        let broken = [head("Transfer-Encoding: chunked\r\n").as_bytes(), body.as_bytes()].concat();
        assert_eq!(port.wire()?.ask(&broken)?.status, 400, "{body:?}");
    }
    for length in ["-1", "x", "5\r\nContent-Length: 6"] {
        assert_eq!(
            port.wire()?.ask(head(&format!("Content-Length: {length}\r\n")).as_bytes())?.status,
            400,
            "{length}"
        );
    }
    port.is_well()
}

fn what_is_no_http_is_told_so_or_cut_off(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let port = Port::open(namespace)?;
    // More than all buffers on the way hold: the answer comes while it is sent.
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(1 << 24));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: x\r\n".repeat(100));
    for (what, bytes, statuses) in [
        ("garbage", &b"\0\x01\x02garbage\r\n\r\n"[..], &[400][..]),
        ("another version", b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", &[400, 505]),
        ("a head that is too long", long.as_bytes(), &[431]),
        ("too many headers", many.as_bytes(), &[431]),
        ("another method", b"PUT /mutate HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", &[405]),
        ("a tunnel", b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", &[400, 404, 405]),
        ("a path elsewhere", b"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", &[404]),
        ("its own question", b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n", &[200]),
        ("figures, which are told elsewhere", b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", &[404]),
    ] {
        let answer = port.wire()?.ask(bytes).context(what)?;
        ensure!(statuses.contains(&answer.status), "{what}: {answer:?}");
    }
    let mut wire = port.wire()?;
    wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
    ensure!(wire.is_ended(), "HTTP/2 is not spoken here");
    // Two requests in one: both are answered, and nothing is taken for the other's.
    let mut wire = port.wire()?;
    let both = [good(), good()].concat();
    wire.send(&both)?;
    for _ in 0..2 {
        assert_eq!(wire.answer()?.review()?["uid"], "0-8-15");
    }
    // No TLS at all.
    let told = std::net::TcpStream::connect(port.replica.address).and_then(|mut socket| {
        use std::io::{Read, Write};
        socket.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")?;
        let mut told = Vec::new();
        // A reset is an end as well.
        let _ = socket.read_to_end(&mut told);
        Ok(told)
    });
    ensure!(!String::from_utf8_lossy(&told?).contains("HTTP/1.1"), "it speaks without TLS");
    port.is_well()
}
