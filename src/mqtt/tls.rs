//! TLS with the ring provider; certificates as bytes, so that nobody below reads files.

use std::sync::Arc;

use rumqttc::tokio_rustls::rustls::pki_types::pem::PemObject;
use rumqttc::tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rumqttc::tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use super::fault::tls_words;
use super::options::{ClientIdentity, ResolvedTls};
use super::trusted_time::TrustedTime;

/// The configuration of one connection; the error is in words, without the address.
pub(super) fn client_config(tls: &ResolvedTls, time: TrustedTime) -> Result<Arc<ClientConfig>, String> {
    let roots = roots(tls.ca.as_deref())?;
    let config = ClientConfig::builder_with_details(Arc::new(crypto::ring::default_provider()), Arc::new(time))
        .with_safe_default_protocol_versions()
        .map_err(|error| tls_words(&error))?
        .with_root_certificates(roots);
    let config = match &tls.client {
        None => config.with_no_client_auth(),
        Some(ClientIdentity { cert, key }) => {
            let chain = certificates(cert).map_err(|why| format!("client_cert_file: {why}"))?;
            let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
                .map_err(|_| "client_key: holds no private key in PEM".to_owned())?;
            config
                .with_client_auth_cert(chain, key)
                .map_err(|error| format!("client certificate and key: {}", tls_words(&error)))?
        }
    };
    Ok(Arc::new(config))
}

fn roots(ca: Option<&[u8]>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    if let Some(pem) = ca {
        for certificate in certificates(pem).map_err(|why| format!("ca_file: {why}"))? {
            roots.add(certificate).map_err(|error| format!("ca_file: {}", tls_words(&error)))?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err("this system has no trusted authorities: install ca-certificates or set ca_file".to_owned());
        }
    }
    Ok(roots)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    if found.is_empty() { Err("holds no certificate in PEM".to_owned()) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Secret;

    #[test]
    fn says_which_file_is_bad() {
        let bad_ca = ResolvedTls { ca: Some(b"nonsense".to_vec()), client: None };
        assert_eq!(client_config(&bad_ca, TrustedTime::new(None)).unwrap_err(), "ca_file: holds no certificate in PEM");
        let secret = "-----BEGIN NOTHING-----".to_owned();
        let tls = ResolvedTls {
            ca: None,
            client: Some(ClientIdentity { cert: Vec::new(), key: Secret::new(secret.clone()) }),
        };
        assert!(!format!("{tls:?}").contains(&secret));
    }
}
