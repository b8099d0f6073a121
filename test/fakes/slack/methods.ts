/** @file The Web API: methods with their scopes, arguments and errors. Arguments that Slack does not know are problems. */
import { checkBlocks, checkView } from './block-rules.ts';
import {
  APP_ID,
  BOT_USER,
  type Channel,
  type Json,
  type Message,
  mimeOf,
  type SlackFile,
  TEAM,
  type Workspace,
} from './workspace.ts';

/** A refusal in Slack's words. */
export class Refusal extends Error {
  readonly more: Json;
  constructor(code: string, more: Json = {}) {
    super(code);
    this.more = more;
  }
}

export interface Host {
  readonly workspace: Workspace;
  readonly address: string;
  /** An address for one WebSocket. */
  socketUrl(): string;
  /** Who a trigger belongs to; used up by that. @throws Refusal */
  useTrigger(id: string): string;
}

interface Method {
  readonly scope?: string;
  /** Required ones end in `!`; those in JSON with `{}`. */
  readonly args: string;
  readonly app?: true;
  run(args: Json, host: Host): Json;
}

const MESSAGE_ARGS =
  'channel! text blocks{} metadata{} unfurl_links unfurl_media parse link_names thread_ts attachments{} mrkdwn';

/** The channel, when the bot may post there. */
function postable({ workspace }: Host, id: unknown): Channel {
  const channel = workspace.channel(String(id));
  if (!channel) throw new Refusal('channel_not_found');
  if (channel.archived) throw new Refusal('is_archived');
  // Slack hides private channels from those who are not in them.
  if (!channel.members.has(BOT_USER))
    throw new Refusal(channel.id.startsWith('G') ? 'channel_not_found' : 'not_in_channel');
  if (channel.restricted) throw new Refusal('restricted_action');
  return channel;
}

/** @throws Refusal invalid_blocks */
export function takeBlocks(workspace: Workspace, where: string, blocks: unknown): Json[] {
  if (blocks === undefined) return [];
  const { errors, files } = checkBlocks(workspace, blocks);
  for (const error of errors) workspace.problem(`${where}: ${error}`);
  if (errors.length > 0 || files.length > 0)
    throw new Refusal('invalid_blocks', { response_metadata: { messages: [...errors, ...files] } });
  return blocks as Json[];
}

/** The text of a message; one that pings is a problem. */
function takeText(workspace: Workspace, where: string, given: unknown): string {
  const text = typeof given === 'string' ? given : '';
  const mention = /<(!channel|!here|!everyone|!subteam|@)/.exec(text);
  if (mention) workspace.problem(`${where}: the text pings with ${mention[0]}`);
  return text;
}

function messageAt(host: Host, channelId: unknown, ts: unknown): Message {
  const channel = host.workspace.channel(String(channelId));
  if (!channel || (channel.id.startsWith('G') && !channel.members.has(BOT_USER)))
    throw new Refusal('channel_not_found');
  const message = host.workspace.message(channel.id, String(ts));
  if (!message) throw new Refusal('message_not_found');
  return message;
}

export function fileObject(host: Pick<Host, 'workspace' | 'address'>, file: SlackFile): Json {
  const { workspace, address } = host;
  const url = `${address}/files-pri/${TEAM}-${file.id}/download/${encodeURIComponent(file.name)}`;
  const ready = workspace.isReady(file);
  return {
    id: file.id,
    name: file.name,
    title: file.name,
    user: file.owner,
    size: file.bytes?.length ?? 0,
    ...(ready && { mimetype: mimeOf(file), filetype: mimeOf(file).split('/')[1] }),
    url_private: url,
    url_private_download: url,
    shares: sharesOf(file),
  };
}

/** Where a file was shared: by kind of channel, then by channel. */
function sharesOf({ shares }: SlackFile): Json {
  const found: Record<string, Record<string, Json[]>> = {};
  for (const { channel, ts, thread } of shares) {
    const ofKind = (found[channel.startsWith('G') ? 'private' : 'public'] ??= {});
    (ofKind[channel] ??= []).push({ ts, team_id: TEAM, ...(thread !== null && { thread_ts: thread }) });
  }
  return found;
}

function openFile({ workspace }: Host, id: unknown): SlackFile {
  const file = workspace.files.get(String(id));
  if (!file || !workspace.appSees(file)) throw new Refusal('file_not_found');
  if (file.deleted) throw new Refusal('file_deleted');
  return file;
}

export const METHODS: Readonly<Record<string, Method>> = {
  'auth.test': {
    args: '',
    run: () => ({
      url: 'https://fake.slack.com/',
      team: 'Fake',
      user: 'krona',
      team_id: TEAM,
      user_id: BOT_USER,
      bot_id: 'B0KRONA',
    }),
  },
  'apps.connections.open': { args: '', app: true, run: (_, host) => ({ url: host.socketUrl() }) },
  'users.info': {
    scope: 'users:read',
    args: 'user!',
    run({ user }, { workspace }) {
      const found = workspace.users.get(String(user));
      if (!found) throw new Refusal('user_not_found');
      const { id, name, realName, admin, bot, left } = found;
      const profile = { real_name: realName, display_name: realName };
      return {
        user: {
          id,
          team_id: found.team,
          name,
          real_name: realName,
          profile,
          is_admin: admin,
          is_owner: false,
          is_bot: bot,
          deleted: left,
        },
      };
    },
  },
  'usergroups.list': {
    scope: 'usergroups:read',
    args: 'include_users',
    run: (_, { workspace }) => ({
      usergroups: [...workspace.groups].map(([id, group]) => ({ id, ...group })),
    }),
  },
  'chat.postMessage': {
    scope: 'chat:write',
    args: MESSAGE_ARGS,
    run(args, host) {
      const { workspace } = host;
      const channel = postable(host, args['channel']);
      const blocks = takeBlocks(workspace, 'chat.postMessage', args['blocks']);
      if (!args['text'] && blocks.length === 0) throw new Refusal('no_text');
      const message: Message = {
        ts: workspace.ts(),
        channel: channel.id,
        user: BOT_USER,
        text: takeText(workspace, 'chat.postMessage', args['text']),
        blocks,
        metadata: (args['metadata'] as Json | undefined) ?? null,
        thread: (args['thread_ts'] as string | undefined) ?? null,
        files: [],
        reactions: [],
        edits: 0,
        locked: false,
      };
      channel.messages.push(message);
      return { channel: channel.id, ts: message.ts, message: { ts: message.ts, app_id: APP_ID } };
    },
  },
  'chat.postEphemeral': {
    scope: 'chat:write',
    args: `${MESSAGE_ARGS} user!`,
    run(args, host) {
      const { workspace } = host;
      const channel = postable(host, args['channel']);
      if (!channel.members.has(String(args['user']))) throw new Refusal('user_not_in_channel');
      const blocks = takeBlocks(workspace, 'chat.postEphemeral', args['blocks']);
      const id = workspace.ts();
      workspace.ephemerals.push({
        id,
        channel: channel.id,
        user: String(args['user']),
        text: takeText(workspace, 'chat.postEphemeral', args['text']),
        blocks,
      });
      return { message_ts: id };
    },
  },
  'chat.update': {
    scope: 'chat:write',
    args: `ts! ${MESSAGE_ARGS} file_ids{}`,
    run(args, host) {
      const { workspace } = host;
      const channel = workspace.channel(String(args['channel']));
      if (channel?.archived) throw new Refusal('is_inactive');
      const message = messageAt(host, args['channel'], args['ts']);
      if (message.user !== BOT_USER) throw new Refusal('cant_update_message');
      if (message.locked) throw new Refusal('edit_window_closed');
      message.blocks = takeBlocks(workspace, 'chat.update', args['blocks']);
      message.text = takeText(workspace, 'chat.update', args['text']);
      message.edits += 1;
      return { channel: message.channel, ts: message.ts, text: message.text };
    },
  },
  'chat.delete': {
    scope: 'chat:write',
    args: 'channel! ts!',
    run(args, host) {
      const message = messageAt(host, args['channel'], args['ts']);
      if (host.workspace.channel(message.channel)?.archived) throw new Refusal('is_archived');
      if (message.user !== BOT_USER) throw new Refusal('cant_delete_message');
      host.workspace.unpost(host.workspace.channel(message.channel)!, message);
      return { channel: message.channel, ts: message.ts };
    },
  },
  'views.open': {
    args: 'trigger_id! view!{}',
    run(args, host) {
      const { workspace } = host;
      const user = host.useTrigger(String(args['trigger_id']));
      const { errors } = checkView(workspace, args['view']);
      for (const error of errors) workspace.problem(`views.open: ${error}`);
      if (errors.length > 0)
        throw new Refusal('invalid_arguments', { response_metadata: { messages: errors } });
      const view = { id: workspace.id('V'), user, view: args['view'] as Json, hash: workspace.id('h') };
      workspace.forms.set(user, view);
      return { view: { ...view.view, id: view.id, hash: view.hash } };
    },
  },
  'views.publish': {
    args: 'user_id! view!{} hash',
    run(args, { workspace }) {
      const { errors } = checkView(workspace, args['view']);
      for (const error of errors) workspace.problem(`views.publish: ${error}`);
      if (errors.length > 0)
        throw new Refusal('invalid_arguments', { response_metadata: { messages: errors } });
      workspace.homes.set(String(args['user_id']), args['view'] as Json);
      return { view: { id: workspace.id('V') } };
    },
  },
  'reactions.add': {
    scope: 'reactions:write',
    args: 'channel! timestamp! name!',
    run(args, host) {
      const message = messageAt(host, args['channel'], args['timestamp']);
      const name = String(args['name']);
      if (!/^[a-z0-9_+'-]+$/.test(name)) throw new Refusal('invalid_name');
      const there = message.reactions.find((each) => each.name === name);
      if (there?.users.includes(BOT_USER)) throw new Refusal('already_reacted');
      if (there) there.users.push(BOT_USER);
      else message.reactions.push({ name, users: [BOT_USER] });
      return {};
    },
  },
  'reactions.get': {
    scope: 'reactions:read',
    args: 'channel! timestamp! full',
    run(args, host) {
      const message = messageAt(host, args['channel'], args['timestamp']);
      const full = String(args['full']) === 'true';
      const reactions = message.reactions.map(({ name, users }) => ({
        name,
        count: users.length,
        users: full ? users : users.slice(0, 1),
      }));
      return {
        type: 'message',
        channel: message.channel,
        message: { ts: message.ts, ...(reactions.length > 0 && { reactions }) },
      };
    },
  },
  'conversations.info': {
    args: 'channel!',
    run({ channel: id }, { workspace }) {
      const found = workspace.channel(String(id));
      const hidden = found?.id.startsWith('G') === true;
      if (!found || (hidden && !found.members.has(BOT_USER))) throw new Refusal('channel_not_found');
      const needed = hidden ? 'groups:read' : 'channels:read';
      if (!workspace.scopes.has(needed)) throw new Refusal('missing_scope', { needed });
      const { name, kind } = found;
      return {
        channel: { id: found.id, name, is_private: hidden, is_im: kind === 'im', is_mpim: kind === 'mpim' },
      };
    },
  },
  'conversations.history': {
    args: 'channel! limit cursor include_all_metadata oldest latest inclusive',
    run(args, host) {
      const { workspace } = host;
      const id = String(args['channel']);
      const needed = id.startsWith('G') ? 'groups:history' : 'channels:history';
      if (!workspace.scopes.has(needed))
        throw new Refusal('missing_scope', { needed, provided: [...workspace.scopes].join() });
      const channel = workspace.channel(id);
      if (!channel) throw new Refusal('channel_not_found');
      if (!channel.members.has(BOT_USER)) throw new Refusal('not_in_channel');
      const from = Number(args['cursor'] ?? 0);
      const limit = Number(args['limit'] ?? 100);
      const newest = [...channel.messages].reverse();
      const messages = newest.slice(from, from + limit).map(({ ts, user, text, metadata }) => ({
        type: 'message',
        ts,
        user,
        text,
        ...(metadata && String(args['include_all_metadata']) === 'true' && { metadata }),
      }));
      const more = from + limit < newest.length;
      return {
        messages,
        has_more: more,
        response_metadata: { next_cursor: more ? String(from + limit) : '' },
      };
    },
  },
  'files.getUploadURLExternal': {
    scope: 'files:write',
    args: 'filename! length! alt_text alt_txt snippet_type',
    run(args, { workspace, address }) {
      const id = workspace.id('F');
      workspace.files.set(id, {
        id,
        name: String(args['filename']),
        owner: BOT_USER,
        bytes: null,
        readyAt: null,
        deleted: false,
        shares: [],
        given: false,
      });
      return { file_id: id, upload_url: `${address}/upload/${id}?length=${Number(args['length'])}` };
    },
  },
  'files.completeUploadExternal': {
    scope: 'files:write',
    args: 'files!{} channel_id thread_ts initial_comment blocks{}',
    run(args, host) {
      const { workspace } = host;
      const files = (args['files'] as { id: string }[]).map(({ id }) => openFile(host, id));
      if (files.some(({ bytes }) => bytes === null)) throw new Refusal('file_not_found');
      const channelId: unknown = args['channel_id'];
      const channel = channelId === undefined ? null : postable(host, channelId);
      for (const file of files) {
        file.readyAt = workspace.now() + workspace.fileDelay;
        if (!channel) continue;
        // The message of a shared file comes later and without its ts in this answer.
        const thread = (args['thread_ts'] as string | undefined) ?? null;
        workspace.after(workspace.fileDelay, () => {
          const ts = workspace.ts();
          const shared = {
            ts,
            channel: channel.id,
            user: BOT_USER,
            text: '',
            blocks: [],
            metadata: null,
            thread,
          };
          channel.messages.push({ ...shared, files: [file.id], reactions: [], edits: 0, locked: false });
          file.shares.push({ channel: channel.id, ts, thread });
        });
      }
      return { files: files.map(({ id, name }) => ({ id, title: name })) };
    },
  },
  'files.info': {
    scope: 'files:read',
    args: 'file! count page',
    run: (args, host) => ({ file: fileObject(host, openFile(host, args['file'])) }),
  },
  'files.list': {
    scope: 'files:read',
    args: 'channel user count page types ts_from ts_to',
    run(args, host) {
      const files = [...host.workspace.files.values()].filter(
        (file) =>
          !file.deleted &&
          file.owner === args['user'] &&
          file.shares.some(({ channel }) => channel === args['channel']),
      );
      return {
        files: files.map((file) => fileObject(host, file)),
        paging: { count: 200, total: files.length, page: 1, pages: 1 },
      };
    },
  },
  'files.delete': {
    scope: 'files:write',
    args: 'file!',
    run(args, host) {
      openFile(host, args['file']).deleted = true;
      return {};
    },
  },
};

/** The arguments of a call, read from a form as the client sends it. Unknown and missing ones are told. */
export function readArguments(
  workspace: Workspace,
  name: string,
  method: Method,
  form: URLSearchParams,
): Json {
  const known = new Map(
    method.args
      .split(' ')
      .filter((part) => part !== '')
      .map((part) => [
        part.replace(/[!{}]/g, ''),
        { required: part.includes('!'), json: part.includes('{}') },
      ]),
  );
  const args: Json = {};
  for (const [key, value] of form) {
    const argument = known.get(key);
    if (argument === undefined) workspace.problem(`${name} was given the unknown argument ${key}`);
    args[key] = argument?.json ? (JSON.parse(value) as unknown) : value;
  }
  for (const [key, { required }] of known)
    if (required && args[key] === undefined) {
      workspace.problem(`${name} was called without ${key}`);
      throw new Refusal('invalid_arguments');
    }
  return args;
}
