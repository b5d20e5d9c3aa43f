//! The tables and views of `tests/world`, as the generator knows them.

use super::world::Ty;

/// A column. It is clean where equal values are written alike and sums are exact in any order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) ty: Ty,
    pub(crate) clean: bool,
}

/// A table or view.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [Column],
    /// The columns that tell its rows apart.
    pub(crate) key: &'static [&'static str],
    pub(crate) rows: f64,
}

impl Table {
    /// Whether it has the tenant column.
    pub(crate) fn is_sharded(&self) -> bool {
        self.columns[0].name == "tenant_id"
    }
}

const fn clean(name: &'static str, ty: Ty) -> Column {
    Column { name, ty, clean: true }
}

const fn loose(name: &'static str, ty: Ty) -> Column {
    Column { name, ty, clean: false }
}

const TENANT: Column = clean("tenant_id", Ty::Key);
const USER: Column = clean("user_id", Ty::Int);
const ORDER: Column = clean("order_id", Ty::Int);

/// The tables that statements write.
pub(crate) const TABLES: &[Table] = &[
    Table {
        name: "tenants",
        columns: &[
            TENANT,
            clean("name", Ty::Text),
            clean("region_id", Ty::Int),
            clean("since", Ty::Date),
            clean("vip", Ty::Bool),
        ],
        key: &["tenant_id"],
        rows: 12.0,
    },
    Table { name: "users", columns: USERS, key: &["tenant_id", "user_id"], rows: 66.0 },
    Table {
        name: "orders",
        columns: &[
            TENANT,
            ORDER,
            USER,
            clean("status", Ty::Text),
            clean("total", Ty::Numeric),
            clean("quantity", Ty::Int),
            clean("placed", Ty::Timestamp),
            clean("currency", Ty::Text),
            loose("note", Ty::Text),
        ],
        key: &["tenant_id", "order_id"],
        rows: 88.0,
    },
    Table {
        name: "lines",
        columns: &[
            TENANT,
            ORDER,
            clean("line_no", Ty::Int),
            clean("product", Ty::Text),
            clean("price", Ty::Numeric),
            clean("amount", Ty::Int),
            clean("spans", Ty::Range),
            clean("worth", Ty::Numeric),
        ],
        key: &["tenant_id", "order_id", "line_no"],
        rows: 88.0,
    },
    Table {
        name: "tasks",
        columns: &[
            TENANT,
            clean("task_id", Ty::Uuid),
            USER,
            clean("title", Ty::Text),
            clean("done", Ty::Bool),
            clean("due", Ty::Date),
            clean("progress", Ty::Int),
            clean("priority", Ty::Int),
        ],
        key: &["tenant_id", "task_id"],
        rows: 60.0,
    },
    Table {
        name: "events",
        columns: &[
            TENANT,
            clean("event_id", Ty::Int),
            clean("kind_id", Ty::Int),
            clean("at", Ty::Timestamptz),
            loose("payload", Ty::Jsonb),
            clean("raw", Ty::Bytea),
            clean("amount", Ty::Int),
        ],
        key: &["tenant_id", "event_id"],
        rows: 72.0,
    },
    Table {
        name: "accounts",
        columns: &[
            TENANT,
            clean("account_id", Ty::Int),
            USER,
            loose("balance", Ty::Numeric),
            clean("opened", Ty::Date),
        ],
        key: &["tenant_id", "account_id"],
        rows: 36.0,
    },
    Table {
        name: "payments",
        columns: &[
            TENANT,
            clean("payment_id", Ty::Int),
            clean("account_id", Ty::Int),
            ORDER,
            clean("amount", Ty::Numeric),
            clean("paid", Ty::Timestamptz),
            clean("mood", Ty::Mood),
        ],
        key: &["tenant_id", "payment_id"],
        rows: 60.0,
    },
    Table {
        name: "notes",
        columns: &[
            TENANT,
            clean("note_id", Ty::Uuid),
            USER,
            clean("body", Ty::Text),
            clean("words", Ty::Texts),
            clean("starred", Ty::Bool),
            clean("pinned", Ty::Timestamptz),
            clean("reach", Ty::Ranges),
            clean("home", Ty::Place),
        ],
        key: &["tenant_id", "note_id"],
        rows: 48.0,
    },
    Table {
        name: "metrics",
        columns: &[
            TENANT,
            clean("day", Ty::Date),
            clean("name", Ty::Text),
            loose("value", Ty::Float),
            clean("samples", Ty::Ints),
        ],
        key: &["tenant_id", "day", "name"],
        rows: 72.0,
    },
    Table {
        name: "members",
        columns: &[
            TENANT,
            clean("group_id", Ty::Int),
            USER,
            clean("role", Ty::Text),
            clean("since", Ty::Date),
        ],
        key: &["tenant_id", "group_id", "user_id"],
        rows: 48.0,
    },
    Table {
        name: "visits",
        columns: &[TENANT, clean("visit_id", Ty::Int), loose("page", Ty::Text), clean("seconds", Ty::Int)],
        key: &["tenant_id", "visit_id"],
        rows: 72.0,
    },
    Table {
        name: "regions",
        columns: &[
            clean("region_id", Ty::Int),
            clean("name", Ty::Text),
            clean("area", Ty::Numeric),
            clean("founded", Ty::Date),
        ],
        key: &["region_id"],
        rows: 5.0,
    },
    Table {
        name: "currencies",
        columns: &[
            clean("code", Ty::Text),
            clean("name", Ty::Text),
            clean("rate", Ty::Numeric),
            clean("active", Ty::Bool),
        ],
        key: &["code"],
        rows: 4.0,
    },
    Table {
        name: "kinds",
        columns: &[
            clean("kind_id", Ty::Int),
            clean("label", Ty::Text),
            clean("mood", Ty::Mood),
            clean("weights", Ty::Ints),
        ],
        key: &["kind_id"],
        rows: 4.0,
    },
];

const USERS: &[Column] = &[
    TENANT,
    USER,
    clean("name", Ty::Text),
    clean("code", Ty::Text),
    clean("score", Ty::Int),
    clean("balance", Ty::Numeric),
    clean("ratio", Ty::Float),
    clean("mood", Ty::Mood),
    clean("tags", Ty::Texts),
    clean("profile", Ty::Jsonb),
    clean("active", Ty::Bool),
    clean("born", Ty::Date),
    loose("seen", Ty::Interval),
    clean("made", Ty::Timestamptz),
    clean("region_id", Ty::Int),
];

/// The views, and a table that inherits, which statements only read.
pub(crate) const VIEWS: &[Table] = &[
    Table { name: "rich_users", columns: USERS, key: &["tenant_id", "user_id"], rows: 30.0 },
    Table {
        name: "order_totals",
        columns: &[TENANT, USER, clean("orders", Ty::Int), clean("total", Ty::Numeric)],
        key: &["tenant_id", "user_id"],
        rows: 80.0,
    },
    Table {
        name: "tenant_regions",
        columns: &[TENANT, clean("name", Ty::Text), clean("region", Ty::Text), clean("vip", Ty::Bool)],
        key: &["tenant_id"],
        rows: 12.0,
    },
    Table {
        name: "everybody",
        columns: &[TENANT, clean("name", Ty::Text), clean("score", Ty::Int)],
        key: &[],
        rows: 78.0,
    },
    Table {
        name: "ranked_orders",
        columns: &[TENANT, ORDER, clean("total", Ty::Numeric), clean("place", Ty::Int)],
        key: &["tenant_id", "order_id"],
        rows: 88.0,
    },
    Table {
        name: "top_orders",
        columns: &[TENANT, ORDER, clean("status", Ty::Text), clean("total", Ty::Numeric)],
        key: &["tenant_id"],
        rows: 12.0,
    },
    Table {
        name: "urgent_tasks",
        columns: &[
            clean("owner", Ty::Key),
            clean("task_id", Ty::Uuid),
            clean("title", Ty::Text),
            clean("loud", Ty::Text),
            clean("priority", Ty::Int),
            clean("progress", Ty::Int),
        ],
        key: &["owner", "task_id"],
        rows: 30.0,
    },
    Table {
        name: "middling_tasks",
        columns: &[
            clean("owner", Ty::Key),
            clean("task_id", Ty::Uuid),
            clean("title", Ty::Text),
            clean("priority", Ty::Int),
        ],
        key: &["owner", "task_id"],
        rows: 30.0,
    },
    Table {
        name: "known_regions",
        columns: &[clean("id", Ty::Int), clean("name", Ty::Text), clean("area", Ty::Numeric)],
        key: &["id"],
        rows: 5.0,
    },
    Table {
        name: "long_visits",
        columns: &[
            TENANT,
            clean("visit_id", Ty::Int),
            loose("page", Ty::Text),
            clean("seconds", Ty::Int),
            clean("rating", Ty::Numeric),
        ],
        key: &["tenant_id", "visit_id"],
        rows: 24.0,
    },
];
