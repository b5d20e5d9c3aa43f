//! Where a connection stands: its transaction, and whose numbers it remembers.

/// The transaction status of a server's last ReadyForQuery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// Outside a transaction block.
    Idle,
    /// Inside one.
    InTransaction,
    /// Inside one that failed.
    Failed,
}

impl TransactionStatus {
    /// The status by ReadyForQuery's byte; an unknown byte counts as failed.
    pub fn of(byte: u8) -> TransactionStatus {
        match byte {
            b'I' => TransactionStatus::Idle,
            b'T' => TransactionStatus::InTransaction,
            _ => TransactionStatus::Failed,
        }
    }

    /// ReadyForQuery's byte.
    pub fn byte(self) -> u8 {
        match self {
            TransactionStatus::Idle => b'I',
            TransactionStatus::InTransaction => b'T',
            TransactionStatus::Failed => b'E',
        }
    }
}

/// Whose numbers a connection remembers, drawn from sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumbersOf {
    /// Nobody's.
    Nobody,
    /// This session's alone, by its number.
    Session(u64),
    /// Several sessions'.
    Several,
}

impl NumbersOf {
    /// The same once a session uses the connection.
    pub fn and(self, session: u64) -> NumbersOf {
        match self {
            NumbersOf::Nobody => NumbersOf::Session(session),
            NumbersOf::Session(known) if known == session => self,
            NumbersOf::Session(_) | NumbersOf::Several => NumbersOf::Several,
        }
    }
}
