//! From the connection flags to a client, as kubectl would make it.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::args::{Connection, Limit};
use crate::cluster::Cluster;
use crate::error::Error;

/// How audit logs know this program.
const USER_AGENT: &str = concat!("kubectl-release/v", env!("CARGO_PKG_VERSION"));

/// Connects. Nothing is sent yet.
pub(crate) async fn connect(flags: &Connection, command: &'static str) -> Result<Cluster, Error> {
    // Installed once a process; a second call finds it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut config = load(flags).await?;
    override_with(&mut config, flags)?;
    config.default_retry = false;
    config.headers.push((http::header::USER_AGENT, HeaderValue::from_static(USER_AGENT)));
    config.headers.push((HeaderName::from_static("kubectl-command"), HeaderValue::from_static(command)));
    let namespace = flags.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let server = config.cluster_url.to_string();
    let client = Client::try_from(config)
        .map_err(|error| Error::Failed(format!("the connection's settings do not work: {error}")))?;
    Ok(Cluster::new(client, namespace, server))
}

async fn load(flags: &Connection) -> Result<Config, Error> {
    let options =
        KubeConfigOptions { context: flags.context.clone(), cluster: flags.cluster.clone(), user: flags.user.clone() };
    let unusable =
        |error: kube::config::KubeconfigError| Error::Failed(format!("the kubeconfig cannot be used: {error}"));
    let mut kubeconfig = match &flags.kubeconfig {
        Some(path) => Kubeconfig::read_from(path).map_err(unusable)?,
        None => match Kubeconfig::read() {
            Ok(kubeconfig) => kubeconfig,
            // In a pod there is no kubeconfig, but an account.
            Err(error) => return Config::incluster().map_err(|_| unusable(error)),
        },
    };
    known("user", flags.user.as_ref(), kubeconfig.auth_infos.iter().map(|user| &user.name))?;
    known("cluster", flags.cluster.as_ref(), kubeconfig.clusters.iter().map(|cluster| &cluster.name))?;
    if !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        never_ask(&mut kubeconfig);
    }
    Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(unusable)
}

/// A user that does not exist must not quietly become nobody.
fn known<'a>(what: &str, name: Option<&String>, mut names: impl Iterator<Item = &'a String>) -> Result<(), Error> {
    match name {
        Some(name) if !names.any(|known| known == name) => {
            Err(Error::Failed(format!("the kubeconfig cannot be used: it has no {what} {name:?}")))
        }
        _ => Ok(()),
    }
}

/// A credential plugin must not read the manifests that stand on standard input.
fn never_ask(kubeconfig: &mut Kubeconfig) {
    for exec in kubeconfig.auth_infos.iter_mut().filter_map(|user| user.auth_info.as_mut()?.exec.as_mut()) {
        exec.interactive_mode = Some(kube::config::ExecInteractiveMode::Never);
    }
}

fn override_with(config: &mut Config, flags: &Connection) -> Result<(), Error> {
    if let Some(server) = &flags.server {
        config.cluster_url =
            server.parse().map_err(|error| Error::Usage(format!("--server: {server:?} is no URL: {error}")))?;
    }
    if let Some(path) = &flags.certificate_authority {
        config.root_cert = Some(authority(path)?);
        config.root_cert_file = None;
    }
    config.accept_invalid_certs |= flags.insecure_skip_tls_verify;
    if flags.tls_server_name.is_some() {
        config.tls_server_name.clone_from(&flags.tls_server_name);
    }
    if let Some(token) = &flags.token {
        config.auth_info.token = Some(token.clone().into());
    }
    if flags.client_certificate.is_some() {
        config.auth_info.client_certificate.clone_from(&flags.client_certificate);
        config.auth_info.client_certificate_data = None;
    }
    if flags.client_key.is_some() {
        config.auth_info.client_key.clone_from(&flags.client_key);
        config.auth_info.client_key_data = None;
    }
    if flags.as_user.is_some() {
        config.auth_info.impersonate.clone_from(&flags.as_user);
    }
    if !flags.as_group.is_empty() {
        config.auth_info.impersonate_groups = Some(flags.as_group.clone());
    }
    if flags.as_uid.is_some() {
        config.auth_info.impersonate_uid.clone_from(&flags.as_uid);
    }
    config.read_timeout = timeout(&flags.request_timeout)?;
    Ok(())
}

fn authority(path: &std::path::Path) -> Result<Vec<Vec<u8>>, Error> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let unreadable = |error: rustls::pki_types::pem::Error| {
        Error::Failed(format!("--certificate-authority: {} cannot be read: {error}", path.display()))
    };
    let certificates = CertificateDer::pem_file_iter(path).map_err(unreadable)?;
    certificates.map(|certificate| certificate.map(|der| der.to_vec()).map_err(unreadable)).collect()
}

fn timeout(text: &str) -> Result<Option<Duration>, Error> {
    let limit = text.parse::<Limit>().map_err(|fault| Error::Usage(format!("--request-timeout: {fault}")))?;
    Ok(limit.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_that_is_none_is_told_in_one_sentence() {
        assert_eq!(timeout("30").unwrap(), Some(Duration::from_secs(30)));
        let error = timeout("soon").unwrap_err().to_string();
        assert_eq!(error, "--request-timeout: \"soon\" is no duration: write seconds, or 30s, 2m");
    }
}
