//! AllocateProducerIds: blocks of a thousand, none given twice.

use crate::controller::Controller;
use crate::controller::Outcome;
use crate::controller::Refusal;
use crate::schema::allocate_producer_ids_request::AllocateProducerIdsRequest;
use crate::schema::allocate_producer_ids_response::AllocateProducerIdsResponse;
use crate::schema::producer_ids_record::ProducerIdsRecord;
use crate::types::ErrorCode;

const BLOCK: i32 = 1000;

impl Controller {
    pub fn allocate_producer_ids(
        &self,
        request: &AllocateProducerIdsRequest,
    ) -> Outcome<Result<AllocateProducerIdsResponse, Refusal>> {
        if let Err(refusal) = self.checked_broker(request.broker_id, request.broker_epoch) {
            return Outcome::reply(Err(refusal));
        }
        let first = self.image().next_producer_id();
        let Some(next_producer_id) = first.checked_add(BLOCK.into()) else {
            return Outcome::reply(Err(Refusal::bare(ErrorCode::UnknownServerError)));
        };
        let record = ProducerIdsRecord {
            broker_id: request.broker_id,
            broker_epoch: request.broker_epoch,
            next_producer_id,
        };
        let response = AllocateProducerIdsResponse {
            producer_id_start: first,
            producer_id_len: BLOCK,
            ..Default::default()
        };
        Outcome::of(vec![record.into()], Ok(response))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::testing::World;

    #[test]
    fn blocks_follow_each_other_and_need_a_living_broker() {
        let mut world = World::with_brokers(1);
        let epoch = world.epoch(0);
        for (broker_epoch, expected) in [
            (epoch, Ok(0)),
            (epoch, Ok(1000)),
            (epoch + 1, Err(77)),
            (epoch, Ok(2000)),
        ] {
            let request = AllocateProducerIdsRequest {
                broker_id: 0,
                broker_epoch,
            };
            let reply = world.run(|controller, _| controller.allocate_producer_ids(&request));
            let start = reply
                .map(|block| block.producer_id_start)
                .map_err(|refusal| refusal.code.code());
            assert_eq!(start, expected);
        }
    }
}
