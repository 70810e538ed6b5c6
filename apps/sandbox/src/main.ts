/** Starts the sandbox as a process of its own: its stand-ins on one port, the sample shop on another. */
import { createLogger, onShutdown, reportReady } from '@tally/core';
import { readConfig } from './config.ts';
import { createSandbox } from './server.ts';

const shutdownLimitMs = 5_000;

const config = readConfig();
const logger = createLogger('sandbox', config.logLevel);
const sandbox = createSandbox({ ...config, logger });
const [listener, shop, mail] = await Promise.all([
  sandbox.listen(config.port, config.host),
  sandbox.listenShop(config.shopPort, config.host),
  sandbox.mailbox.listen(config.smtpPort, config.host),
]);

onShutdown(async () => {
  await Promise.all([listener.close(), shop.close(), mail.close()]);
}, shutdownLimitMs);
logger.info({ url: listener.url, shop_url: shop.url, smtp_url: mail.url }, 'sandbox is ready');
reportReady({ url: listener.url, shop_url: shop.url });
