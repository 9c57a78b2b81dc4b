//! `gridwatch schema`.

use clap::{Args, ValueEnum};

use super::{Exit, output};
use crate::config::reference;

/// Arguments of `schema`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gridwatch schema config > gridwatch.schema.json")]
pub struct SchemaArgs {
    /// Which document
    #[arg(value_enum)]
    pub document: Document,
    /// For `config`: the reference page instead of the JSON Schema
    #[arg(long)]
    pub markdown: bool,
}

/// The documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Document {
    /// JSON Schema of an event's data
    Event,
    /// JSON Schema of the `CloudEvents` envelope around it
    Envelope,
    /// JSON Schema of a platform's answer
    Feedback,
    /// JSON Schema of a command
    Command,
    /// JSON Schema of the configuration
    Config,
    /// `AsyncAPI` description of every topic
    Asyncapi,
}

/// Runs the command.
pub fn execute(args: &SchemaArgs) -> anyhow::Result<Exit> {
    match args.document {
        Document::Config if args.markdown => output::line(reference::markdown().trim_end())?,
        Document::Config => output::line(&serde_json::to_string_pretty(&reference::json_schema())?)?,
        Document::Event | Document::Envelope | Document::Feedback | Document::Command | Document::Asyncapi => {
            anyhow::bail!("this document is not part of this build")
        }
    }
    Ok(Exit::Success)
}
