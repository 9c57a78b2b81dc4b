use std::path::{Path, PathBuf};
use std::sync::Arc;

use gridwatch::config::model::Secret;
use gridwatch::mqtt::{
    BrokerReport, ClientIdentity, Credentials, FaultKind, LinkFault, LinkOptions, Renew, ResolvedTls, Uplink,
    check_broker,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;

use super::{no_births, quick, until_connected, until_disconnected};
use crate::support::broker::{Broker, BrokerOptions, BrokerTls};

/// An authority made for one test, and where its files lie.
struct Authority {
    directory: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What it signed.
struct Signed {
    cert: PathBuf,
    key: PathBuf,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Test-CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { directory, issuer }
    }

    fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// `host`: the name or address it is for.
    fn sign(&self, name: &str, host: &str) -> Signed {
        self.sign_until(name, host, 4096)
    }

    fn sign_until(&self, name: &str, host: &str, last_year: i32) -> Signed {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_after = date_time_ymd(last_year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let file = |extension: &str| self.directory.path().join(name).with_extension(extension);
        let signed = Signed { cert: file("pem"), key: file("key") };
        std::fs::write(&signed.cert, cert.pem()).unwrap();
        std::fs::write(&signed.key, key.serialize_pem()).unwrap();
        signed
    }

    fn broker_tls(&self, server: &Signed, require_client: bool) -> BrokerOptions {
        let tls = BrokerTls { ca: self.ca(), cert: server.cert.clone(), key: server.key.clone(), require_client };
        BrokerOptions { tls: Some(tls), ..BrokerOptions::default() }
    }
}

fn with_tls(port: u16, ca: &Path, client: Option<&Signed>) -> LinkOptions {
    let client = client.map(|signed| ClientIdentity {
        cert: std::fs::read(&signed.cert).unwrap(),
        key: Secret::new(std::fs::read_to_string(&signed.key).unwrap()),
    });
    let tls = ResolvedTls { ca: Some(std::fs::read(ca).unwrap()), client };
    LinkOptions { tls: Some(tls), ..quick(port, "gw") }
}

async fn try_it(options: &LinkOptions) -> Result<BrokerReport, LinkFault> {
    check_broker(options, Vec::new(), &[]).await
}

#[tokio::test]
async fn a_broker_of_the_own_authority_is_trusted_and_any_other_is_not() {
    let ours = Authority::new();
    let broker = Broker::start(ours.broker_tls(&ours.sign("broker", "127.0.0.1"), false)).await;
    assert!(try_it(&with_tls(broker.port, &ours.ca(), None)).await.unwrap().encrypted);

    let fault = try_it(&with_tls(broker.port, &Authority::new().ca(), None)).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Tls);
    assert!(fault.text.contains("authority"), "{fault}");

    let plain = try_it(&quick(broker.port, "gw")).await.unwrap_err();
    assert!(plain.text.contains("expect TLS"), "{plain}");
}

#[tokio::test]
async fn an_expired_or_foreign_certificate_is_said_so() {
    let authority = Authority::new();
    let expired = Broker::start(authority.broker_tls(&authority.sign_until("old", "127.0.0.1", 2001), false)).await;
    let fault = try_it(&with_tls(expired.port, &authority.ca(), None)).await.unwrap_err();
    assert!(fault.kind == FaultKind::Tls && fault.text.contains("expired"), "{fault}");

    let foreign = Broker::start(authority.broker_tls(&authority.sign("other", "other.test"), false)).await;
    let fault = try_it(&with_tls(foreign.port, &authority.ca(), None)).await.unwrap_err();
    assert!(fault.kind == FaultKind::Tls && fault.text.contains("another host name"), "{fault}");
}

#[tokio::test]
async fn both_sides_may_have_to_prove_themselves() {
    let authority = Authority::new();
    let broker = Broker::start(authority.broker_tls(&authority.sign("broker", "127.0.0.1"), true)).await;
    let gateway = authority.sign("gw", "gw");
    assert!(try_it(&with_tls(broker.port, &authority.ca(), Some(&gateway))).await.is_ok());

    let without = try_it(&with_tls(broker.port, &authority.ca(), None)).await.unwrap_err();
    assert_eq!(without.kind, FaultKind::Tls);
    assert!(without.text.contains("client certificate"), "{without}");

    let elsewhere = Authority::new();
    let stranger = elsewhere.sign("gw", "gw");
    let refused = try_it(&with_tls(broker.port, &authority.ca(), Some(&stranger))).await.unwrap_err();
    assert!(refused.kind == FaultKind::Tls && refused.text.contains("client certificate"), "{refused}");
}

#[tokio::test]
async fn plain_tcp_behind_the_port_is_said_so() {
    let broker = Broker::open_to_all().await;
    let fault = try_it(&with_tls(broker.port, &Authority::new().ca(), None)).await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Tls | FaultKind::Closed), "{fault}");
    assert!(fault.text.contains("TLS"), "{fault}");
}

#[tokio::test]
async fn a_certificate_that_was_rotated_is_used_without_a_restart() {
    let authority = Authority::new();
    let broker = Broker::start(authority.broker_tls(&authority.sign("broker", "127.0.0.1"), false)).await;
    let trusted = authority.directory.path().join("trusted.pem");
    let file = trusted.clone();
    let renew = Renew(Arc::new(move || {
        let ca = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(Credentials { password: None, tls: Some(ResolvedTls { ca: Some(ca), client: None }) })
    }));
    let mut uplink = Uplink::start(LinkOptions { renew: Some(renew), ..quick(broker.port, "gw") }, no_births());
    let fault = until_disconnected(&mut uplink).await;
    assert!(fault.kind == FaultKind::Credentials && fault.text.contains("trusted.pem"), "{fault}");
    std::fs::write(&trusted, "").unwrap();
    while !until_disconnected(&mut uplink).await.text.contains("no certificate") {}
    std::fs::copy(authority.ca(), &trusted).unwrap();
    until_connected(&mut uplink).await;
}
