//! What an operator does to databases: PAUSE, RESUME, RECONNECT, KILL, DISABLE, ENABLE, WAIT_CLOSE.
//! Without a name, to all of them.

use crate::error::ClientError;
use crate::fleet::Fleet;

type Done = Result<(), ClientError>;

/// Lends no connections any more, and returns when all have come back. If the operator stops waiting,
/// the pause stays.
///
/// # Errors
/// 3D000 for an unknown database; 55000 where it is paused already.
pub(super) async fn pause(fleet: &Fleet, name: Option<&str>) -> Done {
    known(fleet, name)?;
    if !fleet.pools.pause(name) {
        return Err(ClientError::new("55000", "already paused"));
    }
    fleet.pools.all_returned(name).await;
    Ok(())
}

/// Lends again.
///
/// # Errors
/// 3D000 for an unknown database; 55000 where it is not paused.
pub(super) fn resume(fleet: &Fleet, name: Option<&str>) -> Done {
    known(fleet, name)?;
    match fleet.pools.resume(name) {
        true => Ok(()),
        false => Err(ClientError::new("55000", "not paused")),
    }
}

/// Closes every connection as soon as nobody uses it.
///
/// # Errors
/// 3D000 for an unknown database.
pub(super) fn reconnect(fleet: &Fleet, name: Option<&str>) -> Done {
    known(fleet, name)?;
    fleet.pools.reconnect(name);
    Ok(())
}

/// Drops all clients and connections; the databases stay paused.
///
/// # Errors
/// 3D000 for an unknown database.
pub(super) async fn kill(fleet: &Fleet, name: Option<&str>) -> Done {
    known(fleet, name)?;
    fleet.pools.pause(name);
    fleet.registry.dismiss_all(name).await;
    Ok(())
}

/// Drops one client.
///
/// # Errors
/// 42704 where nobody has the number.
pub(super) async fn kill_client(fleet: &Fleet, id: i32) -> Done {
    match fleet.registry.dismiss(id).await {
        true => Ok(()),
        false => Err(ClientError::new("42704", format!("there is no client {id}"))
            .hint("SHOW CLIENTS has the numbers in column id.")),
    }
}

/// Lets no new clients in.
///
/// # Errors
/// 3D000 for an unknown database.
pub(super) fn disable(fleet: &Fleet, name: &str) -> Done {
    known(fleet, Some(name))?;
    fleet.pools.disable(name);
    Ok(())
}

/// Lets them in again.
///
/// # Errors
/// 3D000 for an unknown database.
pub(super) fn enable(fleet: &Fleet, name: &str) -> Done {
    known(fleet, Some(name))?;
    fleet.pools.enable(name);
    Ok(())
}

/// Waits until every connection that was open before the last RECONNECT is closed.
///
/// # Errors
/// 3D000 for an unknown database.
pub(super) async fn wait_close(fleet: &Fleet, name: Option<&str>) -> Done {
    known(fleet, name)?;
    fleet.pools.all_renewed(name).await;
    Ok(())
}

fn known(fleet: &Fleet, name: Option<&str>) -> Done {
    match name {
        Some(name) if !fleet.databases.contains_key(name) => {
            Err(ClientError::new("3D000", format!("no such database: {name}")))
        }
        Some(_) | None => Ok(()),
    }
}
