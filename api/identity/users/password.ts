import type { RequestContext } from '#api/http/context.ts';
import type { Input, Reply } from '#api/http/route.ts';
import type { UserId } from '#schema/ids.ts';
import { checkPassword } from '../builtin/password-check.ts';
import { forbidden, unauthorized } from '../errors.ts';
import { identityOf } from '../fields.ts';

interface Body {
  readonly user: { readonly password: string; readonly original_password: string };
}

/**
 * Whoever knows the old password sets a new one, which ends all of the user's tokens.
 * @throws ApiError 401 when the old one is wrong (it counts as a failed login), and when something else has ended
 * the user's tokens meanwhile; 403 for somebody else's.
 */
export async function changePassword(
  context: RequestContext,
  { params: { id }, body: { user } }: Input<{ id: string }, Record<string, string>, Body>,
): Promise<Reply> {
  const identity = identityOf(context);
  const { db, clock } = context.app;
  if (context.caller.userId !== id) throw forbidden('identity:change_password');
  const epoch = await checkPassword({ db, clock, identity }, id as UserId, user.original_password);
  const password = await identity.passwords.hash(user.password);
  await identity.change(async (trx) => {
    const { numUpdatedRows } = await trx
      .updateTable('identity_users')
      .set({ password, epoch: epoch + 1, failures: 0, locked_until: null })
      .where('id', '=', id as UserId)
      .where('epoch', '=', epoch)
      .executeTakeFirst();
    // What has raised it has ended the token of this request, too.
    if (numUpdatedRows === 0n) throw unauthorized();
  });
  return { status: 204 };
}
