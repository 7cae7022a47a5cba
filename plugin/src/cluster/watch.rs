//! What happens to objects of a kind, as the API server tells it: one JSON event a line.

use std::time::Duration;

use http_body_util::BodyExt;
use kube::client::Body;
use release_shared::kinds::Kind;
use serde::Deserialize;
use serde_json::Value;

use super::{Cluster, JSON, Selection, decode, encode};
use crate::error::{Error, Status};

/// The API server ends a watch after this, and it is begun anew: a connection that died without a word is noticed.
const LENGTH: Duration = Duration::from_secs(60);
/// Nothing for so long means that it has died.
const SILENCE: Duration = Duration::from_secs(75);

/// Objects as they were at one moment.
#[derive(Debug)]
pub(crate) struct Listed {
    /// The objects.
    pub(crate) items: Vec<Value>,
    /// The moment.
    version: String,
}

/// What happened to an object.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    /// It was made or changed, and is like this now.
    Put(Value),
    /// It is gone; this is how it was.
    Gone(Value),
}

/// A watch that was begun.
#[derive(Debug)]
pub(crate) struct Watch {
    body: Body,
    lines: Lines,
}

impl Cluster {
    /// Objects with all their content, and the moment from which to watch them.
    pub(crate) async fn listed(&self, kind: Kind, selection: &Selection) -> Result<Listed, Error> {
        #[derive(Deserialize)]
        struct List {
            metadata: Metadata,
            items: Option<Vec<Value>>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Metadata {
            #[serde(default)]
            resource_version: String,
        }
        let reply = self.send(http::Method::GET, &self.selected(kind, selection), JSON, None).await?;
        let list: List = decode(&reply)?;
        Ok(Listed { items: list.items.unwrap_or_default(), version: list.metadata.resource_version })
    }

    /// Watches the same objects from that moment on.
    pub(crate) async fn watch(&self, kind: Kind, selection: &Selection, since: &Listed) -> Result<Watch, Error> {
        let path = self.selected(kind, selection);
        let separator = if path.contains('?') { '&' } else { '?' };
        let (version, length) = (encode(&since.version), LENGTH.as_secs());
        let query = format!("watch=true&resourceVersion={version}&timeoutSeconds={length}");
        let response = self.request(http::Method::GET, &format!("{path}{separator}{query}"), JSON, None).await?;
        let code = response.status().as_u16();
        let body = response.into_body();
        if code != 200 {
            let body = body.collect().await.map_err(|error| self.unreachable(&error))?;
            return Err(Error::Status(Box::new(Status::read(code, &body.to_bytes()))));
        }
        Ok(Watch { body, lines: Lines::default() })
    }
}

impl Watch {
    /// The next event; `None` when the watch is over, for whatever reason: then everything is to be read anew.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(line) = self.lines.take() {
                match event(&line) {
                    Told::Event(event) => return Some(event),
                    Told::Nothing => {}
                    Told::End => return None,
                }
            }
            let frame = tokio::time::timeout(SILENCE, self.body.frame()).await.ok()??.ok()?;
            if let Ok(data) = frame.into_data() {
                self.lines.put(&data);
            }
        }
    }
}

/// Lines out of a stream of bytes.
#[derive(Debug, Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The first line that is complete.
    fn take(&mut self) -> Option<Vec<u8>> {
        let end = self.0.iter().position(|byte| *byte == b'\n')?;
        let rest = self.0.split_off(end + 1);
        Some(std::mem::replace(&mut self.0, rest))
    }
}

enum Told {
    Event(Event),
    Nothing,
    End,
}

/// A line of a watch. (Kubernetes API concepts, "Efficient detection of changes")
fn event(line: &[u8]) -> Told {
    #[derive(Deserialize)]
    struct Line {
        r#type: String,
        object: Value,
    }
    match serde_json::from_slice::<Line>(line) {
        Ok(line) => match line.r#type.as_str() {
            "ADDED" | "MODIFIED" => Told::Event(Event::Put(line.object)),
            "DELETED" => Told::Event(Event::Gone(line.object)),
            "BOOKMARK" => Told::Nothing,
            // `ERROR`: mostly 410, the moment is too long ago.
            _ => Told::End,
        },
        Err(_) => Told::End,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_come_in_pieces() {
        let mut lines = Lines::default();
        lines.put(b"{\"a\"");
        assert_eq!(lines.take(), None);
        lines.put(b":1}\n\n{");
        assert_eq!(lines.take().as_deref(), Some(&b"{\"a\":1}\n"[..]));
        assert_eq!(lines.take().as_deref(), Some(&b"\n"[..]));
        assert_eq!(lines.take(), None);
    }

    #[test]
    fn a_line_is_an_event_or_the_end() {
        let told = |line: &str| match event(line.as_bytes()) {
            Told::Event(event) => Some(Some(event)),
            Told::Nothing => Some(None),
            Told::End => None,
        };
        let object = json!({"kind": "Release"});
        let line = |what: &str| json!({"type": what, "object": object}).to_string();
        assert_eq!(told(&line("ADDED")), Some(Some(Event::Put(object.clone()))));
        assert_eq!(told(&line("MODIFIED")), Some(Some(Event::Put(object.clone()))));
        assert_eq!(told(&line("DELETED")), Some(Some(Event::Gone(object.clone()))));
        assert_eq!(told(&line("BOOKMARK")), Some(None));
        assert_eq!(told(&line("ERROR")), None);
        assert_eq!(told("nonsense\n"), None);
    }
}
