#!/usr/bin/python3
"""An XMPP app made of slixmpp. It is told what to do by lines of JSON on standard input,
    {"do": "connect", "jid": "alice@example.org/laptop", "password": "...", "mode": "starttls", ...}
and tells what happens by lines of JSON on standard output, {"event": "message", "from": ...}. Each command
ends with {"event": "connect done"} or {"event": "connect refused", "why": ...}; all values are texts.
"""
import asyncio
import json
import logging
import ssl
import sys

from slixmpp import ClientXMPP
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

PLUGINS = ['xep_0030', 'xep_0054', 'xep_0059', 'xep_0085', 'xep_0092', 'xep_0184', 'xep_0191', 'xep_0198', 'xep_0199', 'xep_0202', 'xep_0203',
           'xep_0280', 'xep_0297', 'xep_0313', 'xep_0333']


def tell(event, **what):
    print(json.dumps({'event': event, **{k: str(v) for k, v in what.items() if v not in (None, '')}}), flush=True)


class App(ClientXMPP):
    def __init__(self, jid, password, mechanism, binding, tries):
        super().__init__(jid, password, sasl_mech=mechanism)
        self.binding, self.tries = binding, tries
        if binding == 'no' and not mechanism:
            self['feature_mechanisms'].use_mechs = {'SCRAM-SHA-256', 'SCRAM-SHA-1', 'PLAIN'}
        for name in PLUGINS:
            self.register_plugin(name)
        self.auto_authorize = self.auto_subscribe = None
        self.ssl_context.check_hostname = False
        self.ssl_context.verify_mode = ssl.CERT_NONE
        self['feature_mechanisms'].sasl_callback = self.credentials_for
        self['feature_mechanisms'].unencrypted_plain = True
        for kind in ('message', 'presence'):
            self.register_handler(Callback(kind, MatchXPath('{jabber:client}' + kind), getattr(self, 'got_' + kind)))
        self.add_event_handler('carbon_received', lambda m: self.got_carbon('received', m))
        self.add_event_handler('carbon_sent', lambda m: self.got_carbon('sent', m))
        self.add_event_handler('roster_update', self.got_roster)
        self.add_event_handler('failed_auth', self.got_refusal)
        self.add_event_handler('no_auth', lambda _: self.settle('not offered'))
        self.add_event_handler('stream_negotiated', lambda _: self.authenticated or self.settle('not offered'))
        self.add_event_handler('session_start', lambda _: self.settle(None))
        self.add_event_handler('session_resumed', lambda _: self.settle(None, 'yes'))
        self.add_event_handler('disconnected', self.got_end)
        self.add_event_handler('stream_error', lambda e: tell('stream error', why=e['condition']))
        self.add_event_handler('sm_enabled', lambda _: tell('resumable'))
        self.add_event_handler('stanza_acked', lambda s: tell('acknowledged', id=s['id']))
        self.settled = self.place = None

    def credentials_for(self, required, optional):
        """This release can bind to tls-unique alone, which TLS 1.3 does not have (RFC 9266), and does not know that: a test
        says whether it may try."""
        values = self['feature_mechanisms']._default_credentials(required, optional)
        if 'channel_binding' in values and self.binding == 'no':
            values['channel_binding'] = None
        return values

    # What happens.

    def settle(self, why, resumed=''):
        if self.settled and not self.settled.done():
            self.settled.set_result((why, resumed))

    def got_refusal(self, failure):
        """It tries the next mechanism, unless the test wants to hear of the first."""
        tell('failed', mechanism=self['feature_mechanisms'].mech.name, why=failure['condition'])
        if self.tries == 'one':
            self['feature_mechanisms'].mech_list = set()
            self.settle(failure['condition'])

    def got_end(self, why):
        self.settle(f'disconnected: {why}')
        tell('disconnected')

    def describe(self, m):
        return {'from': m['from'], 'bare': m['from'].bare, 'to': m['to'], 'type': m['type'], 'id': m['id'], 'body': m['body'],
                'delay': m.xml.find('{urn:xmpp:delay}delay').get('stamp') if m.xml.find('{urn:xmpp:delay}delay') is not None else '',
                'condition': m['error']['condition'] if m['type'] == 'error' else '',
                'typing': m['chat_state'], 'arrived': m['receipt'], 'seen': m['displayed']['id'] if m.xml.find('{urn:xmpp:chat-markers:0}displayed') is not None else ''}

    def got_message(self, m):
        if m.xml.find('{urn:xmpp:carbons:2}sent') is None and m.xml.find('{urn:xmpp:carbons:2}received') is None \
                and m.xml.find('{urn:xmpp:mam:2}result') is None:
            tell('message', **self.describe(m))

    def got_carbon(self, direction, m):
        tell(direction + ' elsewhere', **self.describe(m['carbon_' + direction]))

    def got_presence(self, p):
        kind = p.xml.get('type', 'available')
        tell('presence', **{'from': p['from'], 'bare': p['from'].bare, 'type': kind, 'show': p['show'] if kind == p['show'] else p.xml.findtext('{jabber:client}show'),
                            'status': p['status'], 'priority': p['priority'], 'condition': p['error']['condition'] if kind == 'error' else ''})

    def got_roster(self, iq):
        for jid, item in iq['roster']['items'].items():
            tell('contact', jid=jid, subscription=item['subscription'], ask=item['ask'], name=item['name'],
                 push='yes' if iq['type'] == 'set' else 'no')

    # What can be asked of it.

    async def do_connect(self, host, port, mode):
        self.place = {'address': (host, int(port)), 'use_ssl': mode == 'tls', 'force_starttls': mode == 'starttls',
                      'disable_starttls': mode == 'plain'}
        return await self.do_reconnect()

    async def do_reconnect(self):
        self.settled = asyncio.get_running_loop().create_future()
        self.connect(**self.place)
        why, resumed = await self.settled
        if why:
            raise Refused(why)
        mech = self['feature_mechanisms'].mech
        return {'jid': self.boundjid.full, 'mechanism': mech.name, 'resumed': resumed}

    async def do_disconnect(self):
        await self.disconnect()

    async def do_write(self, to, body, id, wants=None):
        m = self.make_message(mto=to, mbody=body, mtype='chat')
        m['id'] = id
        if wants:
            m['request_receipt'] = True
            m.enable('markable')
        m.send()

    async def do_type(self, to, state):
        m = self.make_message(mto=to, mtype='chat')
        m['chat_state'] = state
        m.send()

    async def do_seen(self, to, id):
        self['xep_0333'].send_marker(to, id, 'displayed')

    async def do_presence(self, to=None, type=None, show=None, status=None, priority=None):
        self.send_presence(pto=to, ptype=type, pshow=show, pstatus=status, ppriority=int(priority) if priority else None)

    async def do_roster(self):
        iq = self.make_iq_get()
        iq.enable('roster')
        iq['roster']['ver'] = self.client_roster.version
        result = await iq.send(timeout=20)
        if result.xml.find('{jabber:iq:roster}query') is None:
            return {'changed': 'no'}
        self.event('roster_update', result)
        return {'changed': 'yes', 'version': result['roster']['ver']}

    async def do_contact(self, jid, name=None, subscription=None):
        iq = self.make_iq_set()
        iq['roster']['items'] = {jid: {'name': name, 'subscription': subscription, 'groups': []}}
        await iq.send(timeout=20)

    async def do_ping(self, to=None):
        await self['xep_0199'].ping(jid=to, timeout=20)

    async def do_version(self, of):
        iq = await self['xep_0092'].get_version(of, timeout=20)
        return {'name': iq['software_version']['name'], 'version': iq['software_version']['version']}

    async def do_time(self, of):
        iq = await self['xep_0202'].get_entity_time(of, timeout=20)
        return {'utc': iq.xml.findtext('.//{urn:xmpp:time}utc')}  # this release's own reading takes no Z

    async def do_disco(self, of):
        iq = await self['xep_0030'].get_info(jid=of, cached=False, local=False, timeout=20)
        identities = sorted(f'{c}/{t}' for c, t, _, _ in iq['disco_info']['identities'])
        return {'identities': ' '.join(identities), 'features': ' '.join(sorted(iq['disco_info']['features']))}

    async def do_vcard(self, name=None, of=None):
        if name:
            card = self['xep_0054'].stanza.VCardTemp()
            card['FN'] = name
            await self['xep_0054'].publish_vcard(card, timeout=20)
            return {}
        iq = await self['xep_0054'].get_vcard(of, cached=False, local=False, timeout=20)
        return {'name': iq['vcard_temp']['FN']}

    async def do_block(self, jid):
        await self['xep_0191'].block(jid, timeout=20)

    async def do_unblock(self, jid):
        await self['xep_0191'].unblock(jid, timeout=20)

    async def do_blocked(self):
        iq = await self['xep_0191'].get_blocked(timeout=20)
        return {'list': ' '.join(sorted(j.full for j in iq['blocklist']['items']))}

    async def do_carbons(self):
        await self['xep_0280'].enable(timeout=20)

    async def do_archive(self, of, max):
        """Page after page from the beginning, each with the next one's place (xep0313#query-paging)."""
        pages = 0
        async for page in self['xep_0313'].retrieve(with_jid=of, iterator=True, rsm={'max': int(max)}):
            pages += 1
            for m in page['mam']['results']:
                forwarded = m['mam_result']['forwarded']
                tell('archived', **{**self.describe(forwarded['stanza']), 'delay': forwarded['delay']['stamp'].isoformat(),
                                    'archive': m['mam_result']['id'], 'page': pages})
        return {'pages': pages}


class Refused(Exception):
    pass


async def obey(app, name, args):
    try:
        tell(f'{name} done', **(await getattr(app, 'do_' + name)(**args) or {}))
    except (IqError, Refused) as e:
        tell(f'{name} refused', why=e.condition if isinstance(e, IqError) else e)
    except IqTimeout:
        tell(f'{name} refused', why='no answer')
    except Exception as e:  # whatever it is, the test has to hear of it
        logging.exception(name)
        tell(f'{name} refused', why=repr(e))


async def main():
    logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format='%(levelname)s %(message)s')
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    app, tasks = None, set()
    while line := await lines.readline():
        what = json.loads(line)
        name = what.pop('do')
        if name == 'connect':
            app = App(what.pop('jid'), what.pop('password'), what.pop('mechanism', None), what.pop('binding', 'no'), what.pop('tries', 'one'))
        task = asyncio.ensure_future(obey(app, name, what))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


asyncio.run(main())
