//! One connection: made once, driven until its end, never reused.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use rumqttc::{
    AckMode, AsyncClient, ConnAck, ConnectionError, Event, LastWill, ManualAck, MqttOptions, Packet, Publish,
    SessionMode, TlsConfiguration, Transport, default_socket_connect,
};
use tokio::sync::mpsc;

use super::fault::{FaultKind, LinkFault};
use super::message::Connected;
use super::options::{Credentials, LinkOptions, Renew};
use super::session::NothingInFlight;
use super::tls;
use super::trusted_time::TrustedTime;

/// Probes of an idle line between two keep-alive times of TCP.
const TCP_PROBE_INTERVAL: Duration = Duration::from_secs(10);
/// Bytes that the kernel could not deliver for this long end the connection, however many messages wait for theirs.
const TCP_USER_TIMEOUT_MS: u32 = 30_000;

/// What lasts longer than the connection.
pub(super) enum Session {
    /// Nothing: the uplink.
    Clean,
    /// The broker's queue for us: the downlink.
    Persistent { expiry: Duration, receive_max: u16, will: Option<Box<LastWill>> },
}

/// A connection that the broker has accepted.
pub(super) struct Link {
    /// For requests; they go out while `driver` is polled.
    pub(super) client: AsyncClient,
    /// Ends with the connection. It is never dropped between two polls: half a packet would be lost.
    pub(super) driver: Pin<Box<dyn Future<Output = LinkFault> + Send>>,
    /// Messages received.
    pub(super) messages: mpsc::Receiver<Publish>,
    pub(super) granted: Connected,
    pub(super) encrypted: bool,
    /// Of the credentials that it was made with.
    made_with: [u8; 32],
}

/// Acknowledges one message on the connection that it came by.
#[derive(Debug)]
pub(super) struct Receipt {
    client: AsyncClient,
    ack: ManualAck,
}

impl Receipt {
    pub(super) fn for_message(client: &AsyncClient, message: &Publish) -> Option<Self> {
        client.prepare_ack(message).map(|ack| Self { client: client.clone(), ack })
    }

    pub(super) fn acknowledge(self) {
        if self.client.try_manual_ack(self.ack).is_err() {
            tracing::debug!("acknowledged after the connection had gone: the broker will send the message again");
        }
    }
}

/// Connects once: resolves, TCP, TLS, CONNECT, CONNACK, all within the connect timeout.
pub(super) async fn open(options: &LinkOptions, session: Session) -> Result<Link, LinkFault> {
    let address = options.address();
    let capacity = match &session {
        Session::Clean => usize::from(options.window) + 8,
        Session::Persistent { receive_max, .. } => usize::from(*receive_max) + 8,
    };
    let unusable = |why: String| LinkFault::new(&address, FaultKind::Credentials, why);
    let credentials = credentials(options).map_err(unusable)?;
    let mqtt = mqtt_options(options, &credentials, session).map_err(unusable)?;
    let (client, mut event_loop) = AsyncClient::builder(mqtt)
        .capacity(capacity)
        .try_build()
        .map_err(|error| LinkFault::new(&address, FaultKind::Protocol, error.to_string()))?;
    let granted = loop {
        match event_loop.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(connack))) => break granted(&connack),
            Ok(_) => {}
            Err(error) => return Err(LinkFault::of_attempt(&address, &error)),
        }
    };
    let (received, messages) = mpsc::channel(capacity);
    let driver = Box::pin(async move {
        let error = loop {
            match event_loop.poll().await {
                Ok(Event::Incoming(Packet::Publish(message))) => {
                    if received.send(message).await.is_err() {
                        break ConnectionError::RequestsDone;
                    }
                }
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        LinkFault::of_connection(&address, &error)
    });
    let (encrypted, made_with) = (credentials.tls.is_some(), credentials.fingerprint());
    Ok(Link { client, driver, messages, granted, encrypted, made_with })
}

impl Link {
    /// Waits for `answer` while the connection is driven; messages that come meanwhile are dropped.
    pub(super) async fn drive<T>(&mut self, answer: impl Future<Output = T>) -> Result<T, LinkFault> {
        tokio::pin!(answer);
        loop {
            tokio::select! {
                fault = &mut self.driver => return Err(fault),
                answer = &mut answer => return Ok(answer),
                Some(_) = self.messages.recv() => {}
            }
        }
    }

    /// Whether the files of certificates, keys and password hold others by now than those that this connection was made
    /// with. What cannot be used is left aside: files may be in the middle of being replaced.
    pub(super) fn is_outdated(&self, options: &LinkOptions) -> bool {
        let usable = credentials(options).and_then(|credentials| match &credentials.tls {
            Some(tls) => tls::client_config(tls, TrustedTime::new(None)).map(|_| credentials),
            None => Ok(credentials),
        });
        match usable {
            Ok(credentials) => credentials.fingerprint() != self.made_with,
            Err(why) => {
                tracing::warn!(why, "certificates or password of the broker cannot be used; this connection stands");
                false
            }
        }
    }

    /// Says goodbye, so that the broker publishes no will; gives up after `patience`.
    pub(super) async fn close(mut self, patience: Duration) {
        self.say_goodbye(patience).await;
    }

    /// As [`Self::close`]; nothing is to be asked of the connection afterwards.
    pub(super) async fn say_goodbye(&mut self, patience: Duration) {
        if self.client.try_disconnect_with_timeout(patience).is_err() {
            return;
        }
        if tokio::time::timeout(patience, self.drive(std::future::pending::<()>())).await.is_err() {
            tracing::debug!("the broker did not let us say goodbye");
        }
    }
}

/// Ticks for the first time after `period`.
pub(super) fn interval_after(period: Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    interval
}

fn credentials(options: &LinkOptions) -> Result<Credentials, String> {
    match &options.renew {
        Some(Renew(read)) => read(),
        None => Ok(Credentials { password: options.password.clone(), tls: options.tls.clone() }),
    }
}

fn mqtt_options(options: &LinkOptions, credentials: &Credentials, session: Session) -> Result<MqttOptions, String> {
    let mut mqtt = MqttOptions::new(options.client_id.clone(), (options.host.clone(), options.port));
    mqtt.set_keep_alive(u16::try_from(options.keep_alive.as_secs()).unwrap_or(u16::MAX))
        .set_connect_timeout(options.connect_timeout)
        .set_max_packet_size(Some(options.max_incoming_bytes));
    match (&options.username, &credentials.password) {
        (Some(user), Some(password)) => {
            mqtt.set_credentials(user.clone(), password.expose().as_bytes().to_vec());
        }
        (Some(user), None) => {
            mqtt.set_username(user.clone());
        }
        (None, _) => {}
    }
    if let Some(tls) = &credentials.tls {
        let time = TrustedTime::new(options.surely_over.clone());
        if let Some(suspect) = time.suspect() {
            tracing::warn!(suspect, "the time is suspect, and with it what is said of the broker's certificate");
        }
        mqtt.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls::client_config(tls, time)?)));
    }
    let idle = options.keep_alive.max(TCP_PROBE_INTERVAL);
    mqtt.set_socket_connector(move |address, network| async move {
        let socket = default_socket_connect(address, network).await?;
        // Nagle's algorithm and delayed acknowledgements together cost 40 ms a message.
        socket.set_nodelay(true)?;
        // A broker may switch MQTT's own pings off; a line cut without a word must still be noticed.
        rustix::net::sockopt::set_socket_keepalive(&socket, true)?;
        rustix::net::sockopt::set_tcp_keepidle(&socket, idle)?;
        rustix::net::sockopt::set_tcp_keepintvl(&socket, TCP_PROBE_INTERVAL)?;
        rustix::net::sockopt::set_tcp_user_timeout(&socket, TCP_USER_TIMEOUT_MS)?;
        Ok(socket)
    });
    match session {
        Session::Clean => {
            mqtt.set_session_mode(SessionMode::Clean);
        }
        Session::Persistent { expiry, receive_max, will } => {
            let session_expiry_s = u32::try_from(expiry.as_secs()).unwrap_or(u32::MAX);
            mqtt.set_session_mode(SessionMode::Persistent)
                .set_session_expiry_interval(Some(session_expiry_s))
                .set_session_store(NothingInFlight { session_expiry_s })
                .set_receive_maximum(Some(receive_max))
                .set_ack_mode(AckMode::Manual);
            if let Some(will) = will {
                mqtt.set_last_will(*will);
            }
        }
    }
    Ok(mqtt)
}

fn granted(connack: &ConnAck) -> Connected {
    let properties = connack.properties.as_ref();
    let seconds = |value: u32| Duration::from_secs(u64::from(value));
    Connected {
        max_packet_size: properties.and_then(|p| p.max_packet_size),
        receive_max: properties.and_then(|p| p.receive_max).unwrap_or(u16::MAX).max(1),
        server_keep_alive: properties.and_then(|p| p.server_keep_alive).map(|s| seconds(u32::from(s))),
        session_present: connack.session_present,
        retain_available: properties.and_then(|p| p.retain_available) != Some(0),
        session_expiry: properties.and_then(|p| p.session_expiry_interval).map(seconds),
    }
}
