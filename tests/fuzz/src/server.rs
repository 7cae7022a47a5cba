//! The bytes of a connection.

use std::sync::LazyLock;
use std::time::Duration;

use release_webhook::fuzzing::Webhook;
use release_webhook::review::Mode;
use tokio::runtime::{Builder, Runtime};

use crate::platform::signer;
use crate::review::check_form;

/// How long a connection that its client has closed may go on: nothing on it waits for anything.
const PATIENCE: Duration = Duration::from_secs(5);

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build();
    runtime.unwrap_or_else(|error| panic!("no runtime: {error}"))
});

static WEBHOOK: LazyLock<Webhook> = LazyLock::new(|| {
    let _entered = RUNTIME.enter();
    Webhook::new(signer().clone())
});

/// Any bytes on a connection.
pub fn server(data: &[u8]) {
    let webhook = &*WEBHOOK;
    let answer = RUNTIME.block_on(async { tokio::time::timeout(PATIENCE, webhook.converse(data)).await });
    let answer = answer.unwrap_or_else(|_| panic!("the connection is still open"));
    let answer = answer.unwrap_or_else(|error| panic!("the connection broke: {error}"));
    // An answer to HEAD says how long its body would be, and has none.
    if !data.windows(4).any(|part| part == b"HEAD") {
        check(&answer);
    }
}

/// Answers one after the other, each of a status that says what is wrong with the request, or a review.
fn check(mut answers: &[u8]) {
    while !answers.is_empty() {
        let (status, length, body) = head(answers).unwrap_or_else(|| panic!("no HTTP: {}", answers.escape_ascii()));
        assert!(matches!(status, 100 | 200 | 400..=499 | 501 | 503 | 505), "status {status}");
        assert!(body.len() >= length, "the answer is cut short: {}", answers.escape_ascii());
        let (body, next) = body.split_at(length);
        if status == 200 {
            let reply = serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}: {}", body.escape_ascii()));
            // No hook says more than this one.
            check_form(&reply, Mode::Mutate);
        }
        answers = next;
    }
}

/// The status of the first answer, the length of its body, and what follows its head.
fn head(answer: &[u8]) -> Option<(u16, usize, &[u8])> {
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let mut length = 0;
    for line in lines {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
        assert!(!name.eq_ignore_ascii_case("transfer-encoding"), "the length of an answer is known");
    }
    Some((status, length, &answer[end + 4..]))
}
