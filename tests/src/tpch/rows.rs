//! The rows of TPC-H in COPY's text format, with the customer's key as the tenant of what belongs to one.

use std::collections::HashMap;
use std::fmt::{Display, Write};

use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};

/// The tables, in an order in which they can be loaded.
pub const TABLES: [&str; 8] =
    ["region", "nation", "part", "supplier", "partsupp", "customer", "orders", "lineitem"];

/// The rows of all tables, fields apart by `|`.
#[derive(Debug)]
pub struct Rows {
    of_tables: HashMap<&'static str, String>,
}

impl Rows {
    /// The rows at a scale; 1 is about a gigabyte.
    #[must_use]
    pub fn at_scale(scale: f64) -> Rows {
        let mut customers = HashMap::new();
        let mut of_tables = HashMap::new();
        of_tables.insert("region", plain(RegionGenerator::new(scale, 1, 1).iter()));
        of_tables.insert("nation", plain(NationGenerator::new(scale, 1, 1).iter()));
        of_tables.insert("part", plain(PartGenerator::new(scale, 1, 1).iter()));
        of_tables.insert("supplier", plain(SupplierGenerator::new(scale, 1, 1).iter()));
        of_tables.insert("partsupp", plain(PartSuppGenerator::new(scale, 1, 1).iter()));
        let customer = CustomerGenerator::new(scale, 1, 1);
        of_tables.insert("customer", owned(customer.iter().map(|row| (row.c_custkey, row))));
        let orders = OrderGenerator::new(scale, 1, 1);
        let orders = orders.iter().map(|row| {
            customers.insert(row.o_orderkey, row.o_custkey);
            (row.o_custkey, row)
        });
        of_tables.insert("orders", owned(orders));
        let lines = LineItemGenerator::new(scale, 1, 1);
        of_tables.insert("lineitem", owned(lines.iter().map(|row| (customers[&row.l_orderkey], row))));
        Rows { of_tables }
    }

    /// The rows of a table.
    #[must_use]
    pub fn of(&self, table: &str) -> &str {
        &self.of_tables[table]
    }
}

/// Rows as the generator writes them, but for the separator at their end.
fn plain(rows: impl Iterator<Item = impl Display>) -> String {
    rows.map(|row| format!("{}\n", row.to_string().trim_end_matches('|'))).collect()
}

/// The same with each row's owner before it.
fn owned(rows: impl Iterator<Item = (i64, impl Display)>) -> String {
    let mut text = String::new();
    for (owner, row) in rows {
        let _ = writeln!(text, "{owner}|{}", row.to_string().trim_end_matches('|'));
    }
    text
}
