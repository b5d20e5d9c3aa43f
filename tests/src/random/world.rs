//! The world that random statements speak of: the files of `tests/world` for one type of tenant keys.

use std::fs;
use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;

/// The type of a value, as far as the grammar tells types apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ty {
    /// A tenant key.
    Key,
    /// An integer of any width.
    Int,
    Numeric,
    Float,
    Text,
    Bool,
    Date,
    Timestamp,
    Timestamptz,
    Interval,
    Uuid,
    Jsonb,
    /// int[].
    Ints,
    /// text[].
    Texts,
    /// The enum.
    Mood,
    /// int4range.
    Range,
    /// int4multirange.
    Ranges,
    /// The row type.
    Place,
    Bytea,
}

/// The type of tenant keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// bigint; one table has int.
    Int8,
    /// uuid.
    Uuid,
    /// text; one table has varchar.
    Text,
}

impl KeyType {
    /// The literal of a tenant's number, without a cast.
    #[must_use]
    pub fn literal(self, tenant: u32) -> String {
        match self {
            KeyType::Int8 => tenant.to_string(),
            KeyType::Uuid | KeyType::Text => format!("'{}'", self.text(tenant)),
        }
    }

    /// The key of a tenant's number, as text.
    #[must_use]
    pub fn text(self, tenant: u32) -> String {
        match self {
            KeyType::Int8 => tenant.to_string(),
            KeyType::Uuid => format!("{tenant:08x}-{tenant:04x}-4000-8000-{tenant:012x}"),
            KeyType::Text => format!("{}{tenant}", ["t", "Ä", "a ", "7"][tenant as usize % 4]),
        }
    }

    /// The type's name in SQL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            KeyType::Int8 => "bigint",
            KeyType::Uuid => "uuid",
            KeyType::Text => "text",
        }
    }

    fn narrow(self) -> &'static str {
        match self {
            KeyType::Int8 => "int",
            KeyType::Uuid => "uuid",
            KeyType::Text => "varchar(40)",
        }
    }
}

/// The files of `tests/world` for one type of tenant keys, as a corpus without cases.
#[derive(Debug)]
pub struct World {
    directory: TempDir,
}

impl World {
    /// Writes the files.
    pub fn of(keys: KeyType) -> Result<World> {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("world");
        let directory = tempfile::tempdir()?;
        let keys_of: Vec<String> = (1..=12).map(|tenant| format!("'{}'", keys.text(tenant))).collect();
        let of_tenant = format!("(ARRAY[{}]::{}[])[t]", keys_of.join(", "), keys.name());
        for file in ["schema.sql", "reference.sql", "data.sql"] {
            let text = fs::read_to_string(from.join(file))?;
            let text = text.replace("{key}", keys.name()).replace("{narrow}", keys.narrow());
            fs::write(directory.path().join(file), text.replace("{of_t}", &of_tenant))?;
        }
        Ok(World { directory })
    }

    /// Where they are.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}
