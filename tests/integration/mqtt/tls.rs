use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gridwatch::config::model::Secret;
use gridwatch::mqtt::{
    BrokerReport, ClientIdentity, Credentials, Downlink, DownlinkEvent, DownlinkOptions, FaultKind, LinkFault,
    LinkOptions, Publication, Renew, ResolvedTls, SurelyOver, Uplink, UplinkEvent, Will, check_broker,
};

use super::{
    event, message, no_births, quick, received, until_connected, until_disconnected, until_message, until_subscribed,
};
use crate::outbox::Site;
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
async fn an_expired_an_early_or_a_foreign_certificate_is_said_so() {
    let authority = Authority::new();
    for (server, words) in [
        (authority.sign_for("old", "127.0.0.1", 1990..2001), "has expired"),
        (authority.sign_for("early", "127.0.0.1", 2200..2300), "not valid yet"),
        (authority.sign("other", "other.test"), "another host name"),
    ] {
        let broker = Broker::start(broker_tls(&authority, &server, false)).await;
        let fault = try_it(&with_tls(broker.port, &authority.ca(), None)).await.unwrap_err();
        assert!(fault.kind == FaultKind::Tls && fault.text.contains(words), "{fault}");
        // The same words go into the log while it tries again and again.
        let mut uplink = Uplink::start(with_tls(broker.port, &authority.ca(), None), no_births());
        assert_eq!(until_disconnected(&mut uplink).await, fault);
        assert_eq!(until_disconnected(&mut uplink).await, fault);
    }
}

#[tokio::test]
async fn a_certificate_is_judged_as_of_what_is_surely_over() {
    let authority = Authority::new();
    let broker = Broker::start(broker_tls(&authority, &authority.sign_for("b", "127.0.0.1", 1975..2200), false)).await;
    let mut options = with_tls(broker.port, &authority.ca(), None);
    for (over, right) in
        [("1970-01-01T00:00:00Z", true), ("2100-01-01T00:00:00Z", true), ("2201-01-01T00:00:00Z", false)]
    {
        let over: gridwatch::domain::Timestamp = over.parse().unwrap();
        options.surely_over = Some(SurelyOver(Arc::new(move || over)));
        let tried = try_it(&options).await;
        assert_eq!(tried.is_ok(), right, "{over}: {tried:?}");
        assert!(right || tried.unwrap_err().text.contains("expired"));
    }
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

/// Certificate and key of a client, read anew from their files.
fn from_files(folder: &Path) -> Renew {
    let folder = folder.to_owned();
    Renew(Arc::new(move || {
        let read = |name: &str| std::fs::read(folder.join(name)).map_err(|error| format!("{name}: {error}"));
        let key = Secret::new(String::from_utf8(read("client.key")?).unwrap());
        let client = Some(ClientIdentity { cert: read("client.pem")?, key });
        Ok(Credentials { password: None, tls: Some(ResolvedTls { ca: Some(read("ca.pem")?), client }) })
    }))
}

#[tokio::test]
async fn a_standing_connection_is_made_anew_with_replaced_certificates_and_not_with_half_replaced_ones() {
    let authority = Authority::new();
    let broker = Broker::start(broker_tls(&authority, &authority.sign("broker", "127.0.0.1"), true)).await;
    let folder = tempfile::tempdir().unwrap();
    let (mine, next) = (authority.sign("gw", "gw"), authority.sign("gw-next", "gw"));
    let put = |from: &Path, to: &str| {
        std::fs::copy(from, folder.path().join(to)).unwrap();
    };
    put(&authority.ca(), "ca.pem");
    put(&mine.cert, "client.pem");
    put(&mine.key, "client.key");
    let options = LinkOptions {
        renew: Some(from_files(folder.path())),
        renew_every: Duration::from_millis(100),
        backoff_first: Duration::from_secs(600),
        ..quick(broker.port, "gw")
    };
    let mut uplink = Uplink::start(options.clone(), no_births());
    let link = LinkOptions { client_id: "gw-rx".to_owned(), ..options };
    let (topic, payload) = ("grid/gw/state".to_owned(), b"offline".to_vec());
    let will = Some(Will { topic: topic.clone(), payload, content_type: None, delay: Duration::ZERO });
    let mut downlink = Downlink::start(DownlinkOptions { will, ..DownlinkOptions::new(link, vec![topic.clone()]) });
    until_connected(&mut uplink).await;
    until_subscribed(&mut downlink).await;

    // Half way: the certificate without its key. The connections stand.
    put(&next.cert, "client.pem");
    assert!(tokio::time::timeout(Duration::from_millis(500), uplink.next_event()).await.is_err());
    uplink.try_send(message(1)).unwrap();
    assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token: 1 });

    put(&next.key, "client.key");
    let UplinkEvent::Disconnected { fault, retry_in } = event(&mut uplink).await else { panic!("made anew") };
    assert_eq!((fault.kind, retry_in), (FaultKind::Renewed, Duration::ZERO));
    until_connected(&mut uplink).await;
    uplink.try_send(Publication::new(2, topic, "online")).unwrap();
    assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token: 2 });
    let DownlinkEvent::Disconnected { fault, .. } = received(&mut downlink).await else { panic!("made anew") };
    assert_eq!(fault.kind, FaultKind::Renewed);
    assert!(until_subscribed(&mut downlink).await.session_present, "what waits there is not lost");
    assert_eq!(&until_message(&mut downlink).await.payload[..], b"online", "no will was said");
}

#[tokio::test]
async fn an_authority_that_is_replaced_is_used_for_the_next_connection() {
    let (old, new) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let server = |authority: &Authority| {
        let signed = authority.sign("broker", "127.0.0.1");
        std::fs::copy(signed.cert, folder.path().join("server.pem")).unwrap();
        std::fs::copy(signed.key, folder.path().join("server.key")).unwrap();
    };
    server(&old);
    std::fs::copy(old.ca(), folder.path().join("ca.pem")).unwrap();
    let (cert, key) = (folder.path().join("server.pem"), folder.path().join("server.key"));
    let tls = BrokerTls { ca: old.ca(), cert, key, require_client: false };
    let mut broker = Broker::start(BrokerOptions { tls: Some(tls), ..BrokerOptions::default() }).await;
    let file = folder.path().join("ca.pem");
    let renew = Renew(Arc::new(move || {
        let ca = Some(std::fs::read(&file).map_err(|error| error.to_string())?);
        Ok(Credentials { password: None, tls: Some(ResolvedTls { ca, client: None }) })
    }));
    let mut uplink = Uplink::start(LinkOptions { renew: Some(renew), ..quick(broker.port, "gw") }, no_births());
    until_connected(&mut uplink).await;
    broker.stop().await;
    server(&new);
    broker.start_again().await;
    while !until_disconnected(&mut uplink).await.text.contains("authority") {}
    std::fs::copy(new.ca(), folder.path().join("ca.pem")).unwrap();
    until_connected(&mut uplink).await;
}

/// What `gridwatch doctor` says of the broker, in whatever environment.
async fn doctor(port: u16, ca: &Path, environment: &[(&'static str, String)]) -> String {
    let site = Site::new().await;
    let text = crate::outbox::daemon::configuration();
    let mqtt = format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n[mqtt.tls]\nca_file = \"{}\"\n", ca.display());
    let file = site.folder.path().join("config.toml");
    std::fs::write(&file, text.replace("[storage]", &format!("{mqtt}[storage]"))).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gridwatch"));
    command.args(["doctor", "--config"]).arg(file).env("ORT_DISABLE_TELEMETRY", "1");
    command.envs(environment.iter().cloned());
    let (_, said, _) = tokio::task::spawn_blocking(move || crate::outbox::run(&mut command)).await.unwrap();
    said.lines().find(|line| line.contains("broker 127.0.0.1")).unwrap_or_else(|| panic!("{said}")).to_owned()
}

#[tokio::test]
async fn the_doctor_says_what_is_wrong_with_a_certificate() {
    let authority = Authority::new();
    let broker = Broker::start(broker_tls(&authority, &authority.sign("broker", "127.0.0.1"), false)).await;
    let said = doctor(broker.port, &authority.ca(), &[]).await;
    assert!(said.starts_with("pass") && said.contains("connected with TLS"), "{said}");
    let said = doctor(broker.port, &Authority::new().ca(), &[]).await;
    assert!(said.starts_with("FAIL") && said.contains("authority") && said.contains("; to do: "), "{said}");
    let old = authority.sign_for("old", "127.0.0.1", 1990..2001);
    let expired = Broker::start(broker_tls(&authority, &old, false)).await;
    let said = doctor(expired.port, &authority.ca(), &[]).await;
    assert!(said.starts_with("FAIL") && said.contains("has expired") && said.contains("openssl"), "{said}");
}

#[tokio::test]
async fn a_box_that_wakes_up_in_1970_connects_all_the_same() {
    let library = ["x86_64", "aarch64"].map(|arch| format!("/usr/lib/{arch}-linux-gnu/faketime/libfaketimeMT.so.1"));
    let cached = crate::support::lab::root().join(".cache/faketime/libfaketimeMT.so.1").display().to_string();
    let Some(library) = library.into_iter().chain([cached]).find(|file| Path::new(file).exists()) else {
        return eprintln!("skipped: the clock cannot be turned back without faketime (apt install faketime)");
    };
    let authority = Authority::new();
    let signed = authority.sign_for("broker", "127.0.0.1", 2020..2100);
    let broker = Broker::start(broker_tls(&authority, &signed, false)).await;
    let clock = [("LD_PRELOAD", library), ("FAKETIME", "@1970-01-01 00:05:00".to_owned())];
    let monotonic = [("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()), ("TZ", "UTC".to_owned())];
    let said = doctor(broker.port, &authority.ca(), &[clock, monotonic].concat()).await;
    assert!(said.starts_with("pass") && said.contains("connected with TLS"), "{said}");
}
