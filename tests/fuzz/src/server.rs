//! The bytes of a connection.

use std::time::Duration;

use release_webhook::fuzzing::{Asked, Heard, Plan, Stop, talk};
use release_webhook::review::Mode;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use crate::platform::signer;
use crate::review::check_form;

/// How long a connection may lie there on which nothing comes any more: the last body, and then the idle time. (`webhook/src/limits.rs`)
const PATIENCE: Duration = Duration::from_secs(10 + 180 + 1);

/// How long a head may be, in bytes: up to this it is read however it comes. A longer one is read or refused by how much of it lies there
/// already when hyper looks, so what follows from it differs. (`webhook/src/server/connection.rs`)
const HEAD: usize = 16 * 1024;

/// Any bytes on a connection, as a whole, in two halves, and while the server is told to stop.
pub fn server(data: &[u8]) {
    let whole = ask(data, Plan { halves: false, stop: Stop::Never });
    for stop in [Stop::Never, Stop::Before, Stop::Halfway] {
        let other = ask(data, Plan { halves: true, stop });
        let same = whole.iter().zip(&other).all(|(one, other)| one.status == other.status);
        assert!(same, "in halves, stopping {stop:?}: {other:?} and not {whole:?}");
        let expected = match stop {
            Stop::Never => whole.len()..=whole.len(),
            // One call more is taken, which hears that it is the last.
            Stop::Before => whole.len().min(1)..=whole.len().min(1),
            Stop::Halfway => 0..=whole.len(),
        };
        let is_as_many = expected.contains(&other.len()) || data.len() > HEAD;
        assert!(is_as_many, "in halves, stopping {stop:?}: {other:?} are not as many as in {whole:?}");
        if stop == Stop::Before {
            assert!(other.len() <= 1 && other.iter().all(|answer| answer.closes), "a drain goes on: {other:?}");
        }
    }
}

/// An answer, but for what time and chance put into it.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    /// Whether it says that the connection ends.
    closes: bool,
}

/// The answers to all requests whose head was read, one to each. They are well-formed.
fn ask(data: &[u8], plan: Plan) -> Vec<Answer> {
    let Heard { answer, asked } = clock().block_on(async {
        let begun = Instant::now();
        let heard = tokio::time::timeout(PATIENCE, talk(signer().clone(), data, plan)).await;
        let heard = heard.unwrap_or_else(|_| panic!("the connection is still open after {:?}", begun.elapsed()));
        heard.unwrap_or_else(|error| panic!("the connection broke: {error}"))
    });
    let mut answers = check(&answer, &asked);
    assert!(answers.len() >= asked.len(), "{answers:?} to {asked:?}");
    // What is no HTTP is told so once, or not: the beginning of HTTP/2 just ends the connection.
    let rest = answers.split_off(asked.len());
    assert!(matches!(rest[..], [] | [Answer { closes: true, .. }]), "{answers:?} and {rest:?} to {asked:?}");
    answers
}

/// A runtime whose clock goes on by itself when everything waits.
fn clock() -> Runtime {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap_or_else(|error| panic!("no runtime: {error}"))
}

/// Answers one after the other, each of a status that says what is wrong with the request, or with what was asked for.
fn check(mut answers: &[u8], asked: &[Asked]) -> Vec<Answer> {
    let mut asked = asked.iter();
    let mut seen = Vec::new();
    while !answers.is_empty() {
        let head = head(answers).unwrap_or_else(|| panic!("no HTTP: {}", answers.escape_ascii()));
        assert!(matches!(head.status, 100 | 200 | 400..=499 | 501 | 503 | 505), "status {}", head.status);
        if head.status == 100 {
            answers = head.rest;
            continue;
        }
        let asked = asked.next();
        // An answer to HEAD says how long its body would be, and has none.
        let length = if asked.is_some_and(|asked| asked.method == "HEAD") { 0 } else { head.length };
        assert!(head.rest.len() >= length, "the answer is cut short: {}", answers.escape_ascii());
        let (body, rest) = head.rest.split_at(length);
        if head.status == 200 {
            let asked = asked.unwrap_or_else(|| panic!("something was found that nobody asked for"));
            check_body(body, asked);
        }
        seen.push(Answer { status: head.status, closes: head.closes });
        answers = rest;
    }
    seen
}

fn check_body(body: &[u8], Asked { method, path }: &Asked) {
    let mode = match (method.as_str(), path.as_str()) {
        ("POST", "/mutate") => Mode::Mutate,
        ("POST", "/validate") => Mode::Validate,
        ("GET", "/livez") => return assert_eq!(body, b"ok\n"),
        ("HEAD", "/livez") => return assert_eq!(body, b""),
        _ => panic!("{method} {path} was found"),
    };
    let reply = serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}: {}", body.escape_ascii()));
    check_form(&reply, mode);
}

struct Head<'a> {
    status: u16,
    /// Of the body, in bytes.
    length: usize,
    closes: bool,
    /// What follows it.
    rest: &'a [u8],
}

/// The head of the first answer.
fn head(answer: &[u8]) -> Option<Head<'_>> {
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let (mut length, mut closes) = (0, false);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
        closes |= name.eq_ignore_ascii_case("connection") && value.trim().eq_ignore_ascii_case("close");
        assert!(!name.eq_ignore_ascii_case("transfer-encoding"), "the length of an answer is known");
    }
    Some(Head { status, length, closes, rest: &answer[end + 4..] })
}
