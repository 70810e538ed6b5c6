/** What programs that are not ours are told of the environment: ours holds secrets. */
export const bareEnvironment = { PATH: '/usr/local/bin:/usr/bin:/bin', TZ: 'UTC' };
