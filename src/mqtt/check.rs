//! `gridwatch check --broker`: one connection that asks what we may do, and leaves nothing behind.

use std::time::Duration;

use rumqttc::QoS;

use super::client::{Link, Session, open};
use super::fault::{LinkFault, subscription_refusal};
use super::flight::{Answer, Flight};
use super::message::{Connected, Publication};
use super::options::LinkOptions;

/// What a broker answered to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// Yes.
    Granted,
    /// No, in words.
    Refused(String),
    /// Nothing in time.
    Unanswered,
}

/// What a broker grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerReport {
    /// Its limits.
    pub connected: Connected,
    /// The connection is encrypted and the broker's certificate verified.
    pub encrypted: bool,
    /// Topic and answer, for each probe published.
    pub publish: Vec<(String, Grant)>,
    /// Filter and answer. Some brokers (mosquitto with an ACL file is one) grant every subscription and
    /// then deliver nothing, so that `Granted` is no proof.
    pub subscribe: Vec<(String, Grant)>,
}

/// Connects with a session that ends with it, publishes each probe, subscribes to each filter, leaves.
/// Give `options` a client id of its own: with the one in use it would end the running connection.
pub async fn check_broker(
    options: &LinkOptions,
    probes: Vec<Publication>,
    filters: &[String],
) -> Result<BrokerReport, LinkFault> {
    let mut link = open(options, Session::Clean).await?;
    let mut flight = Flight::new(options, &link.granted);
    let mut publish = Vec::new();
    for probe in probes {
        let topic = probe.topic.clone();
        let answer = match flight.hand_over(&link.client, probe) {
            None => link.drive(flight.next_answer()).await?,
            at_once => at_once,
        };
        publish.push((topic, grant(answer)));
    }
    let subscribe = ask_for(&mut link, options, filters).await?;
    let report = BrokerReport { connected: link.granted.clone(), encrypted: link.encrypted, publish, subscribe };
    link.close(Duration::from_secs(2)).await;
    Ok(report)
}

async fn ask_for(
    link: &mut Link,
    options: &LinkOptions,
    filters: &[String],
) -> Result<Vec<(String, Grant)>, LinkFault> {
    let mut answers = Vec::new();
    for filter in filters {
        let answer = match link.client.try_subscribe_tracked(filter.clone(), QoS::AtLeastOnce) {
            Err(error) => Grant::Refused(error.to_string()),
            Ok(notice) => match link.drive(tokio::time::timeout(options.ack_deadline, notice.wait_async())).await? {
                Err(_) => Grant::Unanswered,
                Ok(Err(error)) => Grant::Refused(error.to_string()),
                Ok(Ok(suback)) => {
                    let refusal = suback.return_codes.into_iter().find_map(subscription_refusal);
                    refusal.map_or(Grant::Granted, Grant::Refused)
                }
            },
        };
        answers.push((filter.clone(), answer));
    }
    Ok(answers)
}

fn grant(answer: Option<Answer>) -> Grant {
    match answer {
        Some(Answer::Acknowledged(_)) => Grant::Granted,
        Some(Answer::Refused { refusal, .. }) => Grant::Refused(refusal.text),
        Some(Answer::Unsent { .. }) | None => Grant::Unanswered,
    }
}
