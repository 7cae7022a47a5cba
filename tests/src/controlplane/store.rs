//! The API server's store, past the API server: for objects as an earlier version of a schema let them in.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use anyhow::{Context, ensure};
use data_encoding::BASE64;
use serde_json::{Value, json};

/// Puts a value under a key (etcd's JSON gateway, `/v3/kv/put`).
pub(super) fn put(etcd: u16, key: &str, value: &Value) -> anyhow::Result<()> {
    let context = || format!("storing {key}");
    let [key, value] = [key.as_bytes(), value.to_string().as_bytes()].map(|bytes| BASE64.encode(bytes));
    let body = json!({ "key": key, "value": value }).to_string();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, etcd)).with_context(context)?;
    let head = format!(
        "POST /v3/kv/put HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).with_context(context)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(context)?;
    ensure!(answer.starts_with("HTTP/1.1 200 "), "{}: {answer}", context());
    Ok(())
}
