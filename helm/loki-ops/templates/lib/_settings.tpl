{{/* The settings file. Secrets and what only one service may know come as variables, see `loki-ops.environment`. */}}

{{- define "loki-ops.settings" -}}
{{- if and .Values.kafka.options .Values.kafka.existingSecret -}}
{{- fail "\n\n`kafka.options` and `kafka.existingSecret` exclude each other: put all of librdkafka's settings into the secret" -}}
{{- end -}}
{{- $owned := list
      (list "mysql" "url" "mysql.existingSecret") (list "mysql" "reader_url" "mysql.readerSecretKey") (list "mysql" "migrate_url" "mysql.migrateSecretKey")
      (list "api" "token" "api.existingSecret") (list "zookeeper" "auth" "zookeeper.existingSecret")
      (list "kafka" "brokers" "kafka.brokers") (list "kafka" "options" "kafka.options") (list "kafka" "replication" "kafka.replication")
      (list "zookeeper" "servers" "zookeeper.servers") (list "zookeeper" "chroot" "zookeeper.chroot")
      (list "api" "listen" "listenHost") (list "telemetry" "listen" "listenHost") -}}
{{- range $owned -}}
{{- if hasKey (get $.Values.settings (index . 0) | default dict) (index . 1) -}}
{{- fail (printf "\n\n`settings.%s.%s` is not for this place: use `%s`" (index . 0) (index . 1) (index . 2)) -}}
{{- end -}}
{{- end -}}
backends = "real"
topic_prefix = {{ toJson .Values.topicPrefix }}
drain = {{ printf "%ds" (int .Values.drainSeconds) | toJson }}
# for libraries that want a place to write; nothing of worth is kept there
data_dir = "/tmp/loki"
{{- $sections := dict
      "logs" (dict "format" "json")
      "telemetry" (dict "listen" (printf "%s:8471" .Values.listenHost))
      "kafka" (dict "brokers" .Values.kafka.brokers "replication" .Values.kafka.replication)
      "zookeeper" (dict "servers" .Values.zookeeper.servers "chroot" .Values.zookeeper.chroot) -}}
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
{{- end }}
{{- if eq .component "test" }}
- name: LOKI_API
  value: http://{{ include "loki-ops.fullname" .root }}-api:{{ int $values.api.service.port }}
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
{{- $mysql := $values.mysql -}}
{{- $url := dict "name" "LOKI__MYSQL__URL" "secret" $mysql.existingSecret "key" $mysql.existingSecretKey -}}
{{- $reader := dict "name" "LOKI__MYSQL__URL" "secret" $mysql.existingSecret "key" (default $mysql.existingSecretKey $mysql.readerSecretKey) -}}
{{- $migrate := dict "name" "LOKI__MYSQL__URL" "secret" $mysql.existingSecret "key" (default $mysql.existingSecretKey $mysql.migrateSecretKey) -}}
{{- $token := dict "name" "LOKI__API__TOKEN" "secret" $values.api.existingSecret "key" $values.api.existingSecretKey -}}
{{- dict
      "decider" $kafka
      "mysql" (append $kafka $url)
      "zookeeper" (concat $kafka $zookeeper)
      "api" (concat $kafka $zookeeper (list $reader $token))
      "migrate" (list $migrate)
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
      "LOKI__API__TOKEN" "the bearer token that every request to the API needs") .name -}}
{{- end -}}
