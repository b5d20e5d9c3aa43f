//! The web page's tables: those of the console that people look at first.

use std::sync::Arc;

use super::{moving, show};
use crate::fleet::Fleet;
use crate::web::Section;

/// The page's parts as they are now.
pub async fn board(fleet: Arc<Fleet>) -> Vec<Section> {
    let mut sections = Vec::new();
    let databases = fleet.databases_in_order();
    for (name, database) in &databases {
        let of = if databases.len() > 1 { format!(" of {name}") } else { String::new() };
        sections.push(show::servers(&fleet, Some(database)).section(&format!("Servers{of}")));
        sections.push(moving::list(database, false).section(&format!("Moves{of}")));
    }
    sections.push(show::databases(&fleet).section("Databases"));
    sections.push(show::pools(&fleet).section("Pools"));
    sections.push(show::clients(&fleet).section("Clients"));
    sections
}
