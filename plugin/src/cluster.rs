//! The API server: a few requests on our own kinds. No discovery, no retries behind the user's back.

mod watch;

pub(crate) use self::watch::{Event, Watch};

use std::cell::RefCell;
use std::collections::BTreeSet;

use http::{Method, Request, Response, header};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::object::text;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::{Error, Status};
use crate::print::note;

const JSON: &str = "application/json";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
const METADATA: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json";
const MERGE: &str = "application/merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// A connection, and the namespace that commands are about.
pub(crate) struct Cluster {
    client: Client,
    /// The namespace.
    pub(crate) namespace: String,
    server: String,
    noted: RefCell<BTreeSet<String>>,
}

/// Which objects of a kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    /// `key=value` on selectable fields.
    pub(crate) fields: Vec<(&'static str, String)>,
    /// A label selector.
    pub(crate) labels: Option<String>,
    /// Every namespace.
    pub(crate) all_namespaces: bool,
}

/// How an object is written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WriteOptions {
    /// The server judges and persists nothing.
    pub(crate) dry_run: bool,
    /// Fields of other managers are taken over.
    pub(crate) force: bool,
    /// Warnings are of no use to the user here.
    pub(crate) quiet: bool,
}

/// What must still be so for an object to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Still {
    /// It is the object that was seen, and no later one of its name.
    There,
    /// Nobody has written it since.
    Unchanged,
}

/// An object as it is after a write.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    /// The object.
    pub(crate) object: Value,
    /// Whether the write made it.
    pub(crate) created: bool,
}

struct Reply {
    code: u16,
    body: Vec<u8>,
    warnings: Vec<String>,
}

impl Cluster {
    pub(crate) fn new(client: Client, namespace: String, server: String) -> Self {
        Self { client, namespace, server, noted: RefCell::default() }
    }

    /// An object by name; `None` where there is none.
    pub(crate) async fn get(&self, kind: Kind, name: &str) -> Result<Option<Value>, Error> {
        self.read(&self.path(kind, Some(name))).await
    }

    /// Anything by its path; `None` where there is nothing.
    pub(crate) async fn read(&self, path: &str) -> Result<Option<Value>, Error> {
        let reply = self.send(Method::GET, path, JSON, None).await?;
        if reply.code == 404 { Ok(None) } else { decode(&reply).map(Some) }
    }

    /// Objects with all their content.
    pub(crate) async fn list(&self, kind: Kind, selection: &Selection) -> Result<Vec<Value>, Error> {
        self.list_as(kind, selection, JSON).await
    }

    /// Objects with their metadata only.
    pub(crate) async fn list_metadata(&self, kind: Kind, selection: &Selection) -> Result<Vec<Value>, Error> {
        self.list_as(kind, selection, METADATA).await
    }

    async fn list_as(&self, kind: Kind, selection: &Selection, accept: &str) -> Result<Vec<Value>, Error> {
        #[derive(serde::Deserialize)]
        struct List {
            /// The API server writes an empty list of metadata as null.
            items: Option<Vec<Value>>,
        }
        let reply = self.send(Method::GET, &self.selected(kind, selection), accept, None).await?;
        decode::<List>(&reply).map(|list| list.items.unwrap_or_default())
    }

    /// The server's own columns, without the objects.
    pub(crate) async fn table(&self, kind: Kind, selection: &Selection) -> Result<Value, Error> {
        let path = self.selected(kind, selection);
        let separator = if path.contains('?') { '&' } else { '?' };
        // Metadata holds every history. Only a list of all namespaces needs it: the columns do not say which is whose.
        let object = if selection.all_namespaces { "Metadata" } else { "None" };
        decode(&self.send(Method::GET, &format!("{path}{separator}includeObject={object}"), TABLE, None).await?)
    }

    /// Makes an object.
    pub(crate) async fn create(&self, kind: Kind, object: &Value, options: WriteOptions) -> Result<Written, Error> {
        let path = format!("{}?{}", self.path(kind, None), query(options));
        self.write(Method::POST, &path, JSON, object, options).await
    }

    /// Server-side apply under the plugin's field manager.
    pub(crate) async fn apply(&self, kind: Kind, object: &Value, options: WriteOptions) -> Result<Written, Error> {
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let force = if options.force { "&force=true" } else { "" };
        let path = format!("{}?{}{force}", self.path(kind, Some(name)), query(options));
        self.write(Method::PATCH, &path, APPLY, object, options).await
    }

    /// Merge patch, under the same field manager.
    pub(crate) async fn merge(
        &self,
        kind: Kind,
        name: &str,
        patch: &Value,
        options: WriteOptions,
    ) -> Result<Written, Error> {
        let path = format!("{}?{}", self.path(kind, Some(name)), query(options));
        self.write(Method::PATCH, &path, MERGE, patch, options).await
    }

    /// Deletes an object, if it is still what was seen. One that is gone already is as good.
    pub(crate) async fn delete(&self, kind: Kind, seen: &Value, still: Still, dry_run: bool) -> Result<(), Error> {
        let mut preconditions = json!({ "uid": seen["metadata"]["uid"] });
        if still == Still::Unchanged {
            preconditions["resourceVersion"] = seen["metadata"]["resourceVersion"].clone();
        }
        let mut options = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions });
        if dry_run {
            options["dryRun"] = json!(["All"]);
        }
        let path = self.path(kind, text(seen, "/metadata/name"));
        let mut reply = self.send(Method::DELETE, &path, JSON, Some((JSON, options.to_string().into_bytes()))).await?;
        self.warn(&std::mem::take(&mut reply.warnings));
        if reply.code == 404 { Ok(()) } else { decode::<Value>(&reply).map(drop) }
    }

    async fn write(
        &self,
        method: Method,
        path: &str,
        content: &str,
        object: &Value,
        options: WriteOptions,
    ) -> Result<Written, Error> {
        let body =
            serde_json::to_vec(object).map_err(|error| Error::Failed(format!("the object cannot be sent: {error}")))?;
        let mut reply = self.send(method, path, JSON, Some((content, body))).await?;
        if !options.quiet {
            self.warn(&std::mem::take(&mut reply.warnings));
        }
        let created = reply.code == 201;
        Ok(Written { object: decode(&reply)?, created })
    }

    /// A text from any URL, with this connection's client: for manifests on the web.
    pub(crate) async fn fetch(client: &Client, path: &str) -> Result<(u16, Vec<u8>), String> {
        let request =
            Request::get(path).header(header::ACCEPT, "*/*").body(Vec::new()).map_err(|error| error.to_string())?;
        let response = client.send(request.map(Into::into)).await.map_err(|error| error.to_string())?;
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
        Ok((code, body.to_bytes().to_vec()))
    }

    /// Prints what the server warns of, each sentence once.
    fn warn(&self, warnings: &[String]) {
        warnings.iter().for_each(|warning| self.note_once(&format!("Warning: {warning}")));
    }

    /// A note, once a command.
    pub(crate) fn note_once(&self, text: &str) {
        if self.noted.borrow_mut().insert(text.to_owned()) {
            note(text);
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Reply, Error> {
        let response = self.request(method, path, accept, body).await?;
        let code = response.status().as_u16();
        let warnings = response
            .headers()
            .get_all(header::WARNING)
            .iter()
            .filter_map(|value| warning_text(value.to_str().ok()?))
            .collect();
        let body = response.into_body().collect().await.map_err(|error| self.unreachable(&error))?;
        Ok(Reply { code, body: body.to_bytes().to_vec(), warnings })
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Response<Body>, Error> {
        let mut request = Request::builder().method(method).uri(path).header(header::ACCEPT, accept);
        if let Some((content, _)) = &body {
            request = request.header(header::CONTENT_TYPE, *content);
        }
        let request = request.body(body.map(|(_, body)| body).unwrap_or_default());
        let request = request.map_err(|error| Error::Failed(format!("the request cannot be made: {error}")))?;
        self.client.send(request.map(Into::into)).await.map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &dyn std::error::Error) -> Error {
        let mut causes = vec![error.to_string()];
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        causes.dedup();
        let why = causes.last().cloned().unwrap_or_default();
        Error::Connection(format!(
            "the API server at {} cannot be reached ({why}): check the address and the network",
            self.server
        ))
    }

    fn path(&self, kind: Kind, name: Option<&str>) -> String {
        let name = name.map(|name| format!("/{}", encode(name))).unwrap_or_default();
        format!("/apis/{}/namespaces/{}/{}{name}", names::API_VERSION, encode(&self.namespace), kind.plural())
    }

    fn selected(&self, kind: Kind, selection: &Selection) -> String {
        let path = if selection.all_namespaces {
            format!("/apis/{}/{}", names::API_VERSION, kind.plural())
        } else {
            self.path(kind, None)
        };
        let fields: Vec<_> = selection.fields.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mut query = Vec::new();
        if !fields.is_empty() {
            query.push(format!("fieldSelector={}", encode(&fields.join(","))));
        }
        query.extend(selection.labels.as_ref().map(|labels| format!("labelSelector={}", encode(labels))));
        if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
    }
}

fn query(options: WriteOptions) -> String {
    let dry_run = if options.dry_run { "&dryRun=All" } else { "" };
    format!("fieldManager={}&fieldValidation=Strict{dry_run}", names::PLUGIN_MANAGER)
}

fn decode<T: DeserializeOwned>(reply: &Reply) -> Result<T, Error> {
    if !(200..300).contains(&reply.code) {
        return Err(Error::Status(Box::new(Status::read(reply.code, &reply.body))));
    }
    serde_json::from_slice(&reply.body)
        .map_err(|error| Error::Failed(format!("the API server's answer cannot be read: {error}")))
}

/// The text of a Warning header: `299 - "text"`. (RFC 7234 section 5.5)
fn warning_text(header: &str) -> Option<String> {
    let quoted = header.splitn(3, ' ').nth(2)?.trim().strip_prefix('"')?;
    let mut text = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Some(text),
            '\\' => text.extend(chars.next()),
            c => text.push(c),
        }
    }
    None
}

/// Percent-encodes what is not unreserved. (RFC 3986 section 2.3)
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_taken_out_of_their_header() {
        assert_eq!(warning_text(r#"299 - "spec.a: \"x\" is odd""#).as_deref(), Some(r#"spec.a: "x" is odd"#));
        assert_eq!(warning_text("299 - nothing"), None);
    }

    #[test]
    fn what_is_typed_cannot_leave_its_place_in_a_path() {
        assert_eq!(encode("a/../b?c=d&e"), "a%2F..%2Fb%3Fc%3Dd%26e");
    }
}
