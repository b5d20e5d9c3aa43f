//! How many statements of one tenant may be under way at once, and begin in a second.
//!
//! Only tenants with a limit are counted, and forgotten when they have nothing under way and have not
//! begun anything for a second.

use std::hash::BuildHasherDefault;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use dashmap::DashMap;

use super::fault::CheckoutError;
use super::shares::{Hashed, TenantHash};
use crate::config::TenantLimits;

/// The tenants that are counted.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    tenants: DashMap<TenantHash, Arc<Meter>, BuildHasherDefault<Hashed>>,
}

/// What one tenant has under way.
#[derive(Debug)]
struct Meter {
    state: Mutex<Reading>,
}

#[derive(Debug)]
struct Reading {
    in_flight: usize,
    /// How many statements may begin at once, as of `at`.
    tokens: f64,
    at: Instant,
}

/// A statement under way, until this is dropped.
#[derive(Debug)]
pub struct Admission(Arc<Meter>);

impl Throttle {
    /// Lets a statement of a tenant begin.
    pub(super) fn admit(
        &self,
        tenant: TenantHash,
        limits: TenantLimits,
        now: Instant,
    ) -> Result<Admission, CheckoutError> {
        let new = || Arc::new(Meter::new(limits, now));
        let meter = Arc::clone(&self.tenants.entry(tenant).or_insert_with(new));
        meter.begin(limits, now)?;
        Ok(Admission(meter))
    }

    /// Forgets whoever is at rest.
    pub(super) fn reap(&self, now: Instant) {
        self.tenants.retain(|_, meter| !meter.is_at_rest(now));
    }
}

impl Meter {
    fn new(limits: TenantLimits, now: Instant) -> Meter {
        let tokens = f64::from(limits.max_per_second);
        Meter { state: Mutex::new(Reading { in_flight: 0, tokens, at: now }) }
    }

    fn lock(&self) -> MutexGuard<'_, Reading> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, limits: TenantLimits, now: Instant) -> Result<(), CheckoutError> {
        let mut reading = self.lock();
        if limits.max_in_flight > 0 && reading.in_flight >= limits.max_in_flight {
            return Err(CheckoutError::TenantBusy { most: limits.max_in_flight });
        }
        if limits.max_per_second > 0 {
            let rate = f64::from(limits.max_per_second);
            let gained = now.saturating_duration_since(reading.at).as_secs_f64() * rate;
            reading.tokens = (reading.tokens + gained).min(rate);
            reading.at = now;
            if reading.tokens < 1.0 {
                return Err(CheckoutError::TenantFast { most: limits.max_per_second as usize });
            }
            reading.tokens -= 1.0;
        } else {
            reading.at = now;
        }
        reading.in_flight += 1;
        Ok(())
    }

    fn is_at_rest(&self, now: Instant) -> bool {
        let reading = self.lock();
        reading.in_flight == 0 && now.saturating_duration_since(reading.at).as_secs() >= 1
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut reading = self.0.lock();
        reading.in_flight = reading.in_flight.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn statements_at_once_are_counted_to_their_end() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let limits = TenantLimits { max_in_flight: 2, ..TenantLimits::default() };
        let first = throttle.admit(7, limits, now).unwrap();
        let _second = throttle.admit(7, limits, now).unwrap();
        assert!(matches!(throttle.admit(7, limits, now), Err(CheckoutError::TenantBusy { most: 2 })));
        assert!(throttle.admit(8, limits, now).is_ok(), "another tenant is not held up");
        drop(first);
        assert!(throttle.admit(7, limits, now).is_ok());
    }

    #[test]
    fn statements_a_second_come_back_with_time_and_who_rests_is_forgotten() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let limits = TenantLimits { max_per_second: 4, ..TenantLimits::default() };
        let begun = |now| (0..100).filter(|_| throttle.admit(7, limits, now).is_ok()).count();
        assert_eq!(begun(now), 4);
        assert_eq!(begun(now + Duration::from_millis(500)), 2);
        assert_eq!(begun(now + Duration::from_secs(60)), 4, "never more than a second's");
        throttle.reap(now + Duration::from_secs(60));
        assert_eq!(throttle.tenants.len(), 1);
        throttle.reap(now + Duration::from_secs(61));
        assert_eq!(throttle.tenants.len(), 0);
    }
}
