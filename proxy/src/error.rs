//! What a client is told when something fails: the one place that makes ErrorResponses.
