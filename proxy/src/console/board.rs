//! The web page's tables: those of the console that people look at first.

use std::sync::Arc;

use super::{moving, placement, pooler};
use crate::fleet::Fleet;
use crate::web::Section;

/// The page's parts as they are now.
pub async fn board(fleet: Arc<Fleet>) -> Vec<Section> {
    let mut sections = Vec::new();
    let databases = fleet.databases_in_order();
    for (name, database) in &databases {
        let of = if databases.len() > 1 { format!(" of {name}") } else { String::new() };
        sections.push(placement::nodes(&fleet, Some(database)).section(&format!("Servers{of}")));
        sections.push(moving::list(database, false).section(&format!("Moves{of}")));
    }
    sections.push(pooler::databases(&fleet).section("Databases"));
    sections.push(pooler::node_pools(&fleet).section("Pools"));
    sections.push(pooler::clients(&fleet).section("Clients"));
    sections
}
