//! Stories of classic groups.

use crate::group::testing::Driver;
use crate::group::testing::INITIAL_DELAY_MS;
use crate::group::testing::REBALANCE_MS;
use crate::group::testing::SESSION_MS;
use crate::group::testing::join;
use crate::types::ErrorCode;

#[test]
fn members_come_agree_and_go() {
    let mut driver = Driver::new();
    let (first, first_ticket) = driver.arrive();
    assert!(first.starts_with("app-"), "{first}");
    assert_eq!(first.len(), "app-".len() + 36);
    let (second, second_ticket) = driver.arrive();
    assert_eq!(driver.state(), "PreparingRebalance");
    driver.sleep(INITIAL_DELAY_MS * 2);
    let (one, two) = (driver.joined(first_ticket), driver.joined(second_ticket));
    assert_eq!((one.generation_id, two.generation_id), (1, 1));
    assert_eq!((&one.leader, one.members.len()), (&first, 2));
    assert_eq!((&two.leader, two.members.len()), (&first, 0));
    assert_eq!(driver.state(), "CompletingRebalance");
    let waiting = driver.sync(&second, 1, &[]);
    let leading = driver.sync(&first, 1, &[(&first, "a"), (&second, "b")]);
    assert_eq!(&driver.synced(leading).assignment[..], b"a");
    assert_eq!(&driver.synced(waiting).assignment[..], b"b");
    assert_eq!(driver.heartbeat(&first, 1), ErrorCode::None);
    assert_eq!(driver.leave(3, &[(&first, None)]).members[0].error_code, 0);
    assert_eq!(driver.heartbeat(&second, 1), ErrorCode::RebalanceInProgress);
    let again = driver.join_with(5, join(&second, None));
    let again = driver.joined(again);
    assert_eq!((again.generation_id, again.leader), (2, second.clone()));
    driver.leave(1, &[(&second, None)]);
    assert_eq!(driver.state(), "Empty");
    assert!(driver.asked.is_empty());
}

#[test]
fn the_silent_are_left_behind() {
    let mut driver = Driver::new();
    let ids = driver.stable(3);
    driver.sleep(SESSION_MS - 1);
    driver.heartbeat(&ids[0], 1);
    driver.heartbeat(&ids[1], 1);
    driver.sleep(1);
    assert_eq!(driver.heartbeat(&ids[2], 1), ErrorCode::UnknownMemberId);
    let first = driver.join_with(5, join(&ids[0], None));
    assert!(driver.asked.contains(&first), "the others have their time to join");
    for _ in 0..REBALANCE_MS / 5_000 {
        driver.sleep(5_000);
        driver.heartbeat(&ids[1], 1);
    }
    let response = driver.joined(first);
    assert_eq!((response.generation_id, response.members.len()), (2, 1));
    assert_eq!(driver.heartbeat(&ids[1], 1), ErrorCode::UnknownMemberId);
    // Who does not ask for its assignment goes, too.
    for _ in 0..REBALANCE_MS / 5_000 {
        driver.heartbeat(&ids[0], 2);
        driver.sleep(5_000);
    }
    assert_eq!(driver.state(), "Empty");
}
