import { seconds } from '../images/view.ts';
import type { MemberRow } from './rows.ts';

export function memberView(row: MemberRow) {
  return {
    image_id: row.image_id,
    member_id: row.member,
    status: row.status,
    created_at: seconds(row.created_at),
    updated_at: seconds(row.updated_at),
    schema: '/v2/schemas/member' as const,
  };
}
