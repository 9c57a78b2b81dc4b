use std::path::Path;
use std::sync::Arc;

use gridwatch::config::model::Secret;
use gridwatch::mqtt::{
    BrokerReport, ClientIdentity, Credentials, FaultKind, LinkFault, LinkOptions, Renew, ResolvedTls, Uplink,
    check_broker,
};

use super::{no_births, quick, until_connected, until_disconnected};
use crate::support::authority::{Authority, Signed};
use crate::support::broker::{Broker, BrokerOptions, BrokerTls};

fn broker_tls(authority: &Authority, server: &Signed, require_client: bool) -> BrokerOptions {
    let tls = BrokerTls { ca: authority.ca(), cert: server.cert.clone(), key: server.key.clone(), require_client };
    BrokerOptions { tls: Some(tls), ..BrokerOptions::default() }
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
    let broker = Broker::start(broker_tls(&ours, &ours.sign("broker", "127.0.0.1"), false)).await;
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
    let expired = Broker::start(broker_tls(&authority, &authority.sign_until("old", "127.0.0.1", 2001), false)).await;
    let fault = try_it(&with_tls(expired.port, &authority.ca(), None)).await.unwrap_err();
    assert!(fault.kind == FaultKind::Tls && fault.text.contains("expired"), "{fault}");

    let foreign = Broker::start(broker_tls(&authority, &authority.sign("other", "other.test"), false)).await;
    let fault = try_it(&with_tls(foreign.port, &authority.ca(), None)).await.unwrap_err();
    assert!(fault.kind == FaultKind::Tls && fault.text.contains("another host name"), "{fault}");
}

#[tokio::test]
async fn both_sides_may_have_to_prove_themselves() {
    let authority = Authority::new();
    let broker = Broker::start(broker_tls(&authority, &authority.sign("broker", "127.0.0.1"), true)).await;
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
    let broker = Broker::start(broker_tls(&authority, &authority.sign("broker", "127.0.0.1"), false)).await;
    let trusted = authority.folder().join("trusted.pem");
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
