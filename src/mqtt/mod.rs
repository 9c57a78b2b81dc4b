//! The MQTT 5 transport.
