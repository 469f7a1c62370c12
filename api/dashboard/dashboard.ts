import type Koa from 'koa';
import type { Authenticator } from '#api/auth/authenticator.ts';
import type { Board, BoardOptions } from './board.ts';

export interface Dashboard {
  readonly middleware: Koa.Middleware;
  close(): Promise<void>;
}

const PATH = '/dashboard';

/** The board's page asks Google for fonts; whoever looks at queues is nobody's business. Its styles are partly inline. */
const CONTENT_POLICY =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; base-uri 'self'; frame-ancestors 'none'";

/**
 * The queues in a browser, for administrators: HTTP Basic with an administrator's token as the password, whatever the
 * name. The board is loaded at its first use; an API that nobody looks at doesn't carry it.
 */
export function createDashboard(
  options: Omit<BoardOptions, 'path'> & { readonly authenticator: Authenticator },
): Dashboard {
  let board: Promise<Board> | undefined;
  const load = async (): Promise<Board> =>
    (await import('./board.ts')).createBoard({ ...options, path: PATH });
  return {
    async middleware(ctx, next) {
      if (ctx.path !== PATH && !ctx.path.startsWith(`${PATH}/`)) return next();
      if (!(await options.authenticator.isAdminToken(passwordOf(ctx.get('authorization'))))) {
        ctx.status = 401;
        ctx.set('WWW-Authenticate', 'Basic realm="Blockyard dashboard", charset="UTF-8"');
        ctx.body = "Any user name, and an administrator's token as the password.\n";
        return undefined;
      }
      ctx.set('Content-Security-Policy', CONTENT_POLICY);
      ctx.set('Cache-Control', 'no-store');
      const loaded = await (board ??= load());
      if (!(await loaded.refresh())) {
        ctx.status = 503;
        ctx.body = 'Redis does not answer.\n';
        return undefined;
      }
      return loaded.middleware(ctx, next);
    },
    async close() {
      await (await board)?.close();
    },
  };
}

function passwordOf(authorization: string): string {
  const [scheme, encoded = ''] = authorization.split(' ', 2);
  if (scheme?.toLowerCase() !== 'basic') return '';
  const pair = Buffer.from(encoded, 'base64').toString('utf8');
  return pair.slice(pair.indexOf(':') + 1);
}
