//! What the platform sees: messages, topics, schemas. Knows the domain, and nothing of how messages travel.
