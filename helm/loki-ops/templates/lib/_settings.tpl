{{/* The settings file. Secrets and what only one service may know come as variables, see `loki-ops.environment`. */}}

{{- define "loki-ops.settings" -}}
{{- if and .Values.kafka.options .Values.kafka.existingSecret -}}
{{- fail "\n\n`kafka.options` and `kafka.existingSecret` exclude each other: put all of librdkafka's settings into the secret" -}}
{{- end -}}
{{- $owned := list
      (list "mysql" "url" "mysql.existingSecret") (list "mysql" "reader_url" "mysql.readerSecretKey") (list "mysql" "migrate_url" "mysql.migrateSecretKey")
      (list "cdn_system" "url" "cdnSystem.existingSecret") (list "cdn_system" "reader_url" "cdnSystem.readerSecretKey")
      (list "cdn_system" "migrate_url" "cdnSystem.migrateSecretKey") (list "redis" "url" "redis.existingSecret")
      (list "api" "token" "api.existingSecret") (list "zookeeper" "auth" "zookeeper.existingSecret")
      (list "kafka" "brokers" "kafka.brokers") (list "kafka" "options" "kafka.options") (list "kafka" "replication" "kafka.replication")
      (list "zookeeper" "servers" "zookeeper.servers") (list "zookeeper" "chroot" "zookeeper.chroot")
      (list "opentsdb" "addresses" "opentsdb.addresses") (list "agent" "spool_max" "agent.spoolMebibytes")
      (list "api" "listen" "listenHost") (list "telemetry" "listen" "listenHost")
      (list "decider" "signing_key" "deploys.existingSecret")
      (list "artifacts" "url" "artifacts.url") (list "artifacts" "options" "artifacts.existingSecret")
      (list "telnet" "listen" "api.telnet.enabled") (list "telnet" "open" "api.telnet.enabled") -}}
{{- range $owned -}}
{{- if hasKey (get $.Values.settings (index . 0) | default dict) (index . 1) -}}
{{- fail (printf "\n\n`settings.%s.%s` is not for this place: use `%s`" (index . 0) (index . 1) (index . 2)) -}}
{{- end -}}
{{- end -}}
{{- if hasKey (get .Values.settings "agent" | default dict) "server" -}}
{{- fail "\n\n`settings.agent.server` is not for this place: each agent has the name of its node" -}}
{{- end -}}
backends = "real"
topic_prefix = {{ toJson .Values.topicPrefix }}
drain = {{ printf "%ds" (int .Values.drainSeconds) | toJson }}
# for libraries that want a place to write, and the agent's spool; nothing else of worth is kept there
data_dir = "/tmp/loki"
{{- $sections := dict
      "logs" (dict "format" "json")
      "telemetry" (dict "listen" (printf "%s:8471" .Values.listenHost))
      "kafka" (dict "brokers" .Values.kafka.brokers "replication" .Values.kafka.replication)
      "zookeeper" (dict "servers" .Values.zookeeper.servers "chroot" .Values.zookeeper.chroot)
      "opentsdb" (dict "addresses" .Values.opentsdb.addresses)
      "artifacts" (dict "url" .Values.artifacts.url)
      "prober" (dict "vantage" (include "loki-ops.fullname" .))
      "agent" (dict "api" (include "loki-ops.apiAddress" .) "spool_max" (printf "%dMiB" (int .Values.agent.spoolMebibytes))) -}}
{{- range $section, $keys := mergeOverwrite $sections (deepCopy .Values.settings) }}

[{{ $section }}]
{{- range $key, $value := $keys }}
{{ $key }} = {{ include "loki-ops.toml" $value }}
{{- end }}
{{- end }}
{{- with .Values.kafka.options }}

[kafka.options]
{{- range $key, $value := . }}
{{ toJson $key }} = {{ toJson $value }}
{{- end }}
{{- end }}
{{ end -}}

{{/* Where the release's own processes find the API. */}}
{{- define "loki-ops.apiAddress" -}}
http://{{ include "loki-ops.fullname" . }}-api:{{ int .Values.api.service.port }}
{{- end -}}

{{/* A value as TOML: numbers in values are floating, and settings are whole numbers. */}}
{{- define "loki-ops.toml" -}}
{{- if kindIs "float64" . -}}{{ int64 . }}{{- else -}}{{ toJson . }}{{- end -}}
{{- end -}}

{{/* A variable from a key of a secret. Takes `name`, `secret`, `key`. */}}
{{- define "loki-ops.secretVariable" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
{{- end -}}

{{/* The variables of a component: where the file is, and the secrets of those backends that it uses. Takes `root`, `component`. */}}
{{- define "loki-ops.environment" -}}
{{- $values := .root.Values -}}
{{- $uses := get (include "loki-ops.uses" . | fromYaml) .component -}}
- name: LOKI_CONFIG
  value: /etc/loki/loki.toml
{{- if eq .component "api" }}
# only here: an address that is not loopback needs the token, which the others have not
- name: LOKI__API__LISTEN
  value: {{ printf "%s:8470" $values.listenHost | quote }}
- name: LOKI__TELNET__LISTEN
  value: {{ $values.api.telnet.enabled | ternary (printf "%s:4242" $values.listenHost) "" | quote }}
{{- if $values.api.telnet.enabled }}
- name: LOKI__TELNET__OPEN
  value: "true"
{{- end }}
{{- end }}
{{- if eq .component "agent" }}
- name: LOKI__AGENT__SERVER
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
- name: LOKI__TELEMETRY__LISTEN
  value: {{ printf "%s:%d" $values.listenHost (int $values.agent.port) | quote }}
{{- end }}
{{- if eq .component "test" }}
- name: LOKI_API
  value: {{ include "loki-ops.apiAddress" .root }}
{{- end }}
{{- range $uses }}
{{ include "loki-ops.secretVariable" . }}
{{- end }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Which component reads which secret, as `[{name, secret, key}]` for each. The least that each can work with. */}}
{{- define "loki-ops.uses" -}}
{{- $values := .root.Values -}}
{{- $kafka := list -}}
{{- with $values.kafka -}}
{{- if .existingSecret -}}
{{- $kafka = list (dict "name" "LOKI__KAFKA__OPTIONS" "secret" .existingSecret "key" .existingSecretKey) -}}
{{- end -}}
{{- end -}}
{{- $zookeeper := list -}}
{{- with $values.zookeeper -}}
{{- if .existingSecret -}}
{{- $zookeeper = list (dict "name" "LOKI__ZOOKEEPER__AUTH" "secret" .existingSecret "key" .existingSecretKey) -}}
{{- end -}}
{{- end -}}
{{- $url := list -}}
{{- $reader := list -}}
{{- $migrate := list -}}
{{- range $name, $database := dict "LOKI__MYSQL__URL" $values.mysql "LOKI__CDN_SYSTEM__URL" $values.cdnSystem -}}
{{- with $database -}}
{{- if .existingSecret -}}
{{- $url = append $url (dict "name" $name "secret" .existingSecret "key" .existingSecretKey) -}}
{{- $reader = append $reader (dict "name" $name "secret" .existingSecret "key" (default .existingSecretKey .readerSecretKey)) -}}
{{- $migrate = append $migrate (dict "name" $name "secret" .existingSecret "key" (default .existingSecretKey .migrateSecretKey)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $signing := list -}}
{{- with $values.deploys -}}
{{- if .existingSecret -}}
{{- $signing = list (dict "name" "LOKI__DECIDER__SIGNING_KEY" "secret" .existingSecret "key" .existingSecretKey) -}}
{{- end -}}
{{- end -}}
{{- $artifacts := list -}}
{{- with $values.artifacts -}}
{{- if .existingSecret -}}
{{- $artifacts = list (dict "name" "LOKI__ARTIFACTS__OPTIONS" "secret" .existingSecret "key" .existingSecretKey) -}}
{{- end -}}
{{- end -}}
{{- $redis := dict "name" "LOKI__REDIS__URL" "secret" $values.redis.existingSecret "key" $values.redis.existingSecretKey -}}
{{- $token := dict "name" "LOKI__API__TOKEN" "secret" $values.api.existingSecret "key" $values.api.existingSecretKey -}}
{{- dict
      "decider" (concat $kafka $signing)
      "clock" $kafka
      "mysql" (concat $kafka $url)
      "zookeeper" (concat $kafka $zookeeper)
      "redis" (append $kafka $redis)
      "opentsdb" $kafka
      "prober" (list $token)
      "agent" (list $token)
      "api" (concat $kafka $zookeeper $reader $artifacts (list $redis $token))
      "migrate" $migrate
      "topics" $kafka
      "test" (list $token) | toYaml -}}
{{- end -}}

{{/* Says which secrets are missing, where that can be known: `lookup` gives nothing at all when there is no cluster. */}}
{{- define "loki-ops.checkSecrets" -}}
{{- if and .Values.checkSecrets (lookup "v1" "Secret" .Release.Namespace "") -}}
{{- $missing := list -}}
{{- range $component, $uses := include "loki-ops.uses" (dict "root" $) | fromYaml -}}
{{- range $uses -}}
{{- $secret := lookup "v1" "Secret" $.Release.Namespace .secret -}}
{{- if not (hasKey (get (default dict $secret) "data" | default dict) .key) -}}
{{- $missing = append $missing (printf "  secret `%s`, key `%s`: %s" .secret .key (include "loki-ops.secretMeaning" .)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with uniq $missing -}}
{{- fail (printf "\n\nnothing was installed: in namespace `%s` these are missing:\n%s\nmake them with `kubectl -n %s create secret generic NAME --from-literal=KEY=…`; `checkSecrets=false` skips this check" $.Release.Namespace (join "\n" .) $.Release.Namespace) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "loki-ops.secretMeaning" -}}
{{- get (dict
      "LOKI__KAFKA__OPTIONS" "librdkafka's settings as an inline TOML table"
      "LOKI__ZOOKEEPER__AUTH" "digest credentials `user:password`"
      "LOKI__MYSQL__URL" "`mysql://user:password@host:3306/database`"
      "LOKI__CDN_SYSTEM__URL" "`mysql://user:password@host:3306/database` of domains"
      "LOKI__DECIDER__SIGNING_KEY" "the secret half of what `loki admin key` makes"
      "LOKI__ARTIFACTS__OPTIONS" "options of the store of archives as an inline TOML table"
      "LOKI__REDIS__URL" "`redis://user:password@host:6379/0`"
      "LOKI__API__TOKEN" "the bearer token that every request to the API needs") .name -}}
{{- end -}}
