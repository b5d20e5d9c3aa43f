//! Reads `pgoutput` messages, protocol version 1, values in text (manual, "Logical Replication
//! Message Formats").

use bytes::{Buf, Bytes};

/// A message inside a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// What a relation looks like in the changes that follow.
    Relation(RelationShape),
    /// A new row.
    Insert { relation: u32, new: Vec<Field> },
    /// A row was replaced; `old` has the identity's columns where they changed, or all.
    Update { relation: u32, old: Option<Vec<Field>>, new: Vec<Field> },
    /// A row is gone; `old` has the identity's columns, or all.
    Delete { relation: u32, old: Vec<Field> },
    /// Tables were emptied.
    Truncate { relations: Vec<u32> },
    /// Types and origins: nothing to do.
    Other,
}

/// A relation as the source describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RelationShape {
    pub id: u32,
    pub schema: String,
    pub name: String,
    /// True for REPLICA IDENTITY FULL.
    pub full_identity: bool,
    /// Names, and whether the column is part of the replica identity.
    pub columns: Vec<(String, bool)>,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Null,
    /// Stored out of line and not changed: not sent.
    Unchanged,
    Text(Bytes),
}

/// The source sent what this reader does not understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream holds a message that cannot be read")]
pub(super) struct Unreadable;

/// Reads one message.
pub(super) fn read(mut bytes: Bytes) -> Result<Change, Unreadable> {
    match byte(&mut bytes)? {
        b'R' => relation(&mut bytes).map(Change::Relation),
        b'I' => {
            let relation = long(&mut bytes)?;
            match byte(&mut bytes)? {
                b'N' => Ok(Change::Insert { relation, new: row(&mut bytes)? }),
                _ => Err(Unreadable),
            }
        }
        b'U' => {
            let relation = long(&mut bytes)?;
            match byte(&mut bytes)? {
                b'N' => Ok(Change::Update { relation, old: None, new: row(&mut bytes)? }),
                b'K' | b'O' => {
                    let old = Some(row(&mut bytes)?);
                    match byte(&mut bytes)? {
                        b'N' => Ok(Change::Update { relation, old, new: row(&mut bytes)? }),
                        _ => Err(Unreadable),
                    }
                }
                _ => Err(Unreadable),
            }
        }
        b'D' => {
            let relation = long(&mut bytes)?;
            match byte(&mut bytes)? {
                b'K' | b'O' => Ok(Change::Delete { relation, old: row(&mut bytes)? }),
                _ => Err(Unreadable),
            }
        }
        b'T' => {
            let count = long(&mut bytes)?;
            byte(&mut bytes)?;
            let relations = (0..count).map(|_| long(&mut bytes)).collect::<Result<_, _>>()?;
            Ok(Change::Truncate { relations })
        }
        b'Y' | b'O' => Ok(Change::Other),
        _ => Err(Unreadable),
    }
}

fn relation(bytes: &mut Bytes) -> Result<RelationShape, Unreadable> {
    let id = long(bytes)?;
    let (schema, name) = (text(bytes)?, text(bytes)?);
    let full_identity = byte(bytes)? == b'f';
    let column = |bytes: &mut Bytes| {
        let in_identity = byte(bytes)? & 1 == 1;
        let name = text(bytes)?;
        long(bytes)?;
        long(bytes)?;
        Ok((name, in_identity))
    };
    let columns = (0..short(bytes)?).map(|_| column(bytes)).collect::<Result<_, _>>()?;
    // The schema of system catalogs is sent as an empty name.
    Ok(RelationShape { id, schema, name, full_identity, columns })
}

fn row(bytes: &mut Bytes) -> Result<Vec<Field>, Unreadable> {
    let field = |bytes: &mut Bytes| match byte(bytes)? {
        b'n' => Ok(Field::Null),
        b'u' => Ok(Field::Unchanged),
        b't' => {
            let length = long(bytes)? as usize;
            if bytes.remaining() < length {
                return Err(Unreadable);
            }
            Ok(Field::Text(bytes.split_to(length)))
        }
        _ => Err(Unreadable),
    };
    (0..short(bytes)?).map(|_| field(bytes)).collect()
}

fn byte(bytes: &mut Bytes) -> Result<u8, Unreadable> {
    bytes.try_get_u8().map_err(|_| Unreadable)
}

fn short(bytes: &mut Bytes) -> Result<u16, Unreadable> {
    bytes.try_get_u16().map_err(|_| Unreadable)
}

fn long(bytes: &mut Bytes) -> Result<u32, Unreadable> {
    bytes.try_get_u32().map_err(|_| Unreadable)
}

fn text(bytes: &mut Bytes) -> Result<String, Unreadable> {
    let end = bytes.iter().position(|byte| *byte == 0).ok_or(Unreadable)?;
    let text = bytes.split_to(end);
    bytes.advance(1);
    String::from_utf8(text.to_vec()).map_err(|_| Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_read_with_its_old_key() {
        let message = b"U\0\0\0\x07K\0\x02t\0\0\0\x011nN\0\x02t\0\0\0\x012u";
        let old = Some(vec![Field::Text(Bytes::from_static(b"1")), Field::Null]);
        let new = vec![Field::Text(Bytes::from_static(b"2")), Field::Unchanged];
        assert_eq!(read(Bytes::from_static(message)), Ok(Change::Update { relation: 7, old, new }));
    }

    #[test]
    fn a_message_that_is_cut_is_refused() {
        let message = Bytes::from_static(b"U\0\0\0\x07K\0\x02t\0\0\0\x011nN\0\x02t\0\0\0\x012u");
        for end in 0..message.len() {
            assert_eq!(read(message.slice(..end)), Err(Unreadable), "{end}");
        }
        assert_eq!(read(Bytes::from_static(b"I\0\0\0\x01N\0\x01t\xff\xff\xff\xff")), Err(Unreadable));
    }

    #[test]
    fn a_relation_is_read() {
        let message = b"R\0\0\0\x01s\0t\0d\0\x01\x01id\0\0\0\0\x17\xff\xff\xff\xff";
        let shape = RelationShape {
            id: 1,
            schema: "s".into(),
            name: "t".into(),
            full_identity: false,
            columns: vec![("id".into(), true)],
        };
        assert_eq!(read(Bytes::from_static(message)), Ok(Change::Relation(shape)));
    }
}
